//! The committed header is what cbindgen makes of `src/ffi`. `make header` rewrites it (it sets WXTOKEN_WRITE_HEADER).

use std::path::Path;

#[test]
fn the_committed_header_is_the_generated_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    assert!(
        config
            .after_includes
            .as_ref()
            .unwrap()
            .contains(&format!("\"{}\"", env!("CARGO_PKG_VERSION"))),
        "cbindgen.toml's WXTOKEN_VERSION is not the package's version"
    );
    let mut generated = Vec::new();
    cbindgen::Builder::new()
        .with_config(config)
        .with_src(root.join("src/ffi/types.rs"))
        .with_src(root.join("src/ffi/mod.rs"))
        .generate()
        .unwrap()
        .write(&mut generated);
    let generated = String::from_utf8(generated).unwrap();
    let path = root.join("include/wxtoken.h");
    if std::env::var_os("WXTOKEN_WRITE_HEADER").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "include/wxtoken.h is not what cbindgen makes of src/ffi: run `make header` and commit it"
    );
}
