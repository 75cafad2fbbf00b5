//! What is written down in several places is held to one: the library's own tables of options, kinds and statuses, and the
//! header's block of options.

use std::path::{Path, PathBuf};

use ::wxtoken::tool::{kinds, options, statuses};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// Fails at the first name that is not a word of `file`.
fn expect_names<'a>(file: &str, what: &str, names: impl Iterator<Item = &'a str>) {
    let text = read(file);
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words: Vec<&str> = text.split(|c| !is_word(c)).collect();
    for name in names {
        assert!(words.contains(&name), "{file} lacks the {what} {name}");
    }
}

/// The block of options: from `api_base_url` on, all lines that begin with `mark`, without it.
fn block<'a>(text: &'a str, mark: &str) -> Vec<&'a str> {
    let lines = text.lines().map(|line| line.strip_prefix(mark));
    let inside = lines.skip_while(|line| !line.is_some_and(|l| l.starts_with("api_base_url")));
    let block: Vec<&str> = inside.map_while(|line| line).collect();
    assert!(block.len() > 9, "no block of options: {block:?}");
    block
}

#[test]
fn the_options_are_the_same_wherever_they_are_listed() {
    for file in [
        "include/wxtoken.h",
        "README.md",
        "README.zh-CN.md",
        "bindings/go/option.go",
        "bindings/php/README.md",
        "bindings/php/README.zh-CN.md",
    ] {
        expect_names(file, "option", options().into_iter());
    }
}

/// Go's own documentation repeats the header's block, for readers who know only Go.
#[test]
fn gos_block_of_options_is_the_headers() {
    let (header, go) = (read("include/wxtoken.h"), read("bindings/go/option.go"));
    let of_header = block(&header, " *     ");
    let of_go = block(&go, "//\t");
    for (header, go) in of_header.iter().zip(&of_go) {
        assert_eq!(
            go, header,
            "bindings/go/option.go is not as include/wxtoken.h"
        );
    }
    assert_eq!(of_go.len(), of_header.len());
}

/// The rows of a README's table of options: name, variable, default.
fn rows(file: &str) -> Vec<(String, String)> {
    let text = read(file);
    let rows = text.lines().filter(|line| line.contains("`WXTOKEN_"));
    rows.filter_map(|line| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let (name, variable, default) = (cells.next()?, cells.next()?, cells.next()?);
        let name = name.trim_matches('`');
        let expected = format!("`WXTOKEN_{}`", name.to_ascii_uppercase());
        (variable == expected).then(|| (name.to_owned(), default.to_owned()))
    })
    .collect()
}

#[test]
fn both_readmes_have_the_same_options_and_defaults() {
    let english = rows("README.md");
    assert!(english.len() >= 9, "{english:?}");
    let number = |(name, default): &(String, String)| {
        let default = default.parse::<i64>().ok();
        (name.clone(), default)
    };
    let of = |rows: &[(String, String)]| rows.iter().map(number).collect::<Vec<_>>();
    assert_eq!(of(&rows("README.zh-CN.md")), of(&english));
    let header = read("include/wxtoken.h");
    let header = block(&header, " *     ");
    for (name, default) in of(&english) {
        let Some(default) = default else { continue };
        let line = header
            .iter()
            .find(|line| line.split(' ').next() == Some(&name));
        let words = line.map(|line| line.split_whitespace().nth(1));
        assert_eq!(words, Some(Some(default.to_string().as_str())), "{name}");
    }
}

/// A kind of the tests' own build is in no page.
fn shipped() -> impl Iterator<Item = ::wxtoken::tool::KindOfAccount> {
    kinds().into_iter().filter(|kind| kind.name != "made_up")
}

#[test]
fn the_kinds_and_credentials_are_the_same_wherever_they_are_listed() {
    let kinds: Vec<_> = shipped().collect();
    for file in [
        "include/wxtoken.h",
        "README.md",
        "README.zh-CN.md",
        "docs/credentials.md",
        "docs/credentials.zh-CN.md",
        "bindings/php/src/Store.php",
        "bindings/go/account.go",
        "bindings/node/lib/index.d.ts",
        "bindings/python/wxtoken/store.py",
    ] {
        expect_names(file, "kind", kinds.iter().map(|kind| kind.name));
    }
    let constants: Vec<_> = kinds.iter().map(|kind| kind.name.to_uppercase()).collect();
    let java = "bindings/java/src/main/java/io/github/libwxtoken/Kind.java";
    expect_names(java, "kind", constants.iter().map(String::as_str));
    for file in [
        "include/wxtoken.h",
        "docs/credentials.md",
        "docs/credentials.zh-CN.md",
    ] {
        for kind in &kinds {
            let credentials = kind.credentials.iter().filter(|c| **c != "access_token");
            expect_names(file, "credential", credentials.copied());
            // Every kind has the field current; the pages on credentials speak of the others.
            let fields = kind.fields.iter().filter(|f| **f != "current");
            expect_names(file, "field", fields.copied());
        }
    }
}

#[test]
fn the_statuses_are_the_same_wherever_they_are_listed() {
    let header = read("include/wxtoken.h");
    for (number, name) in statuses() {
        assert!(
            header.contains(&format!("{name} = {number},")),
            "{name} in the header"
        );
        let short = name.trim_start_matches("WXTOKEN_");
        for file in ["README.md", "README.zh-CN.md"] {
            let row = format!("| {number} `{short}` |");
            assert!(read(file).contains(&row), "{file} lacks {row:?}");
        }
    }
}
