//! The committed header is the one that cbindgen generates from `src/ffi`, and its examples compile. `make header`
//! rewrites it (it sets WXTOKEN_WRITE_HEADER).

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use ::wxtoken::ffi::{MESSAGE_SIZE, NAME_MAX, TOKEN_SIZE};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn committed() -> String {
    std::fs::read_to_string(root().join("include/wxtoken.h")).unwrap_or_default()
}

#[test]
fn the_committed_header_is_the_generated_one() {
    let root = root();
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    let mut generated = Vec::new();
    cbindgen::Builder::new()
        .with_config(config)
        .with_src(root.join("src/ffi/types.rs"))
        .with_src(root.join("src/ffi/mod.rs"))
        .generate()
        .unwrap()
        .write(&mut generated);
    let generated = finish(&with_numbers(String::from_utf8(generated).unwrap()));
    if std::env::var_os("WXTOKEN_WRITE_HEADER").is_some() {
        std::fs::write(root.join("include/wxtoken.h"), &generated).unwrap();
    }
    assert!(
        committed() == generated,
        "include/wxtoken.h is not what cbindgen makes of src/ffi: run `make header` and commit it"
    );
}

/// Inserts the version and the sizes where cbindgen.toml marks them.
fn with_numbers(header: String) -> String {
    let size = |size: usize| size.to_string();
    let numbers = [
        ("@VERSION@", env!("CARGO_PKG_VERSION").to_owned()),
        ("@MAJOR@", env!("CARGO_PKG_VERSION_MAJOR").to_owned()),
        ("@MINOR@", env!("CARGO_PKG_VERSION_MINOR").to_owned()),
        ("@PATCH@", env!("CARGO_PKG_VERSION_PATCH").to_owned()),
        ("@NAME_MAX@", size(NAME_MAX)),
        ("@MESSAGE_SIZE@", size(MESSAGE_SIZE)),
        ("@TOKEN_SIZE@", size(TOKEN_SIZE)),
    ];
    numbers.iter().fold(header, |text, (mark, number)| {
        assert!(text.contains(mark), "cbindgen.toml lacks {mark}");
        text.replace(mark, number)
    })
}

/// Applies the rules that cbindgen has no setting for: a one-line comment stays on one line, a struct has its tag, and
/// one blank line separates items.
fn finish(header: &str) -> String {
    let lines: Vec<&str> = header.lines().collect();
    let mut text = String::new();
    let mut i = 0;
    while i < lines.len() {
        let rest = &lines[i..];
        let one_line = match rest {
            [open, inside, close, ..] if open.trim() == "/**" && close.trim() == "*/" => {
                let words = inside.trim().trim_start_matches("* ");
                Some(format!("{} {words} */", open.trim_end())).filter(|line| line.len() <= 120)
            }
            _ => None,
        };
        let kind = rest[0]
            .strip_suffix(" {")
            .filter(|line| line.starts_with("typedef "));
        let tag = rest
            .iter()
            .find_map(|line| line.strip_prefix("} ")?.strip_suffix(';'));
        match (one_line, kind, tag) {
            (Some(line), _, _) => {
                writeln!(text, "{line}").unwrap();
                i += 2;
            }
            (_, Some(kind), Some(tag)) => writeln!(text, "{kind} {tag} {{").unwrap(),
            _ if rest[0].is_empty() && text.ends_with("\n\n") => {}
            _ => writeln!(text, "{}", rest[0]).unwrap(),
        }
        i += 1;
    }
    text
}

/// The indented blocks of code in the comments. The first is the whole program FIRST USE.
fn examples(header: &str) -> Vec<String> {
    let comments = header
        .lines()
        .map(|line| line.strip_prefix(" *").unwrap_or("}"));
    let text: Vec<&str> = comments.collect();
    let mut examples = vec![String::new()];
    for line in text {
        let is_code = line.starts_with("     ");
        let is_gap = line.is_empty() && examples.last().unwrap().contains("#include");
        match line.strip_prefix("     ") {
            Some(code) if is_code => *examples.last_mut().unwrap() += &format!("{code}\n"),
            _ if is_gap => {}
            _ => examples.push(String::new()),
        }
    }
    examples.retain(|code| code.ends_with(";\n") || code.ends_with("}\n"));
    examples
}

#[test]
fn the_examples_of_the_header_compile_as_c_and_as_c_plus_plus() {
    let examples = examples(&committed());
    let (first_use, snippets) = examples.split_first().unwrap();
    assert!(
        first_use.contains("int main(void)") && snippets.len() >= 7,
        "{examples:#?}"
    );
    let mut others = String::from(
        "#include <stdio.h>\n#include <stdlib.h>\n#include <wxtoken.h>\n\
         #if WXTOKEN_VERSION_NUMBER < 1\n#error \"no version\"\n#endif\n\
         extern wxtoken *wx; extern wxtoken_error err; extern wxtoken_token token; extern int errcode;\n\
         extern const char *secret, *ticket;\n\
         void use(const char *value, size_t length);\nvoid examples(void);\nvoid examples(void)\n{\n",
    );
    for snippet in snippets {
        writeln!(others, "    {{\n{snippet}    }}").unwrap();
    }
    others.push_str("}\n");
    let directory = tempfile::tempdir().unwrap();
    for (name, code) in [("first_use.c", first_use), ("others.c", &others)] {
        // C++ requires a cast of the result of malloc.
        let in_cplusplus = code.replace("= malloc(", "= (char *)malloc(");
        for (compiler, language, code) in [
            ("cc", ["-xc", "-std=c99"], code),
            ("c++", ["-xc++", "-std=c++11"], &in_cplusplus),
        ] {
            let file = directory.path().join(name);
            std::fs::write(&file, code).unwrap();
            let output = Command::new(compiler)
                .args(language)
                .args([
                    "-Wall",
                    "-Wextra",
                    "-Wpedantic",
                    "-Werror",
                    "-fsyntax-only",
                    "-I",
                ])
                .arg(root().join("include"))
                .arg(&file)
                .output()
                .unwrap_or_else(|e| panic!("{compiler}: {e}"));
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{compiler}: {said}\n{code}");
        }
    }
}
