//! The committed header is the one that cbindgen makes of `src/ffi`, and each of its examples compiles. `make header`
//! rewrites the header: it sets WXTOKEN_WRITE_HEADER.

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

/// Puts the version and the sizes in the places that cbindgen.toml marks.
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

/// Changes what cbindgen has no setting for. A short comment gets one line, a struct its tag, the last constant of an
/// enum no comma, and one blank line is enough.
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
            // C90 has no comma at the end of an enum, and no comment of one line.
            _ if rest.get(1).is_some_and(|next| next.starts_with('}')) => {
                writeln!(text, "{}", rest[0].trim_end_matches(',')).unwrap();
            }
            _ => match rest[0].split_once("//") {
                Some((code, name)) if code.starts_with(['#', '}']) => {
                    writeln!(text, "{} /*{name} */", code.trim_end()).unwrap();
                }
                _ => writeln!(text, "{}", rest[0]).unwrap(),
            },
        }
        i += 1;
    }
    text
}

/// The first word of each table in the comments. Every other indented block is an example.
const TABLES: [&str; 6] = ["store", "option", "kind", "field", "credential", "status"];

/// Returns the indented blocks of the comments. A block stands after a blank line or a title, and may have blank lines.
fn blocks(header: &str) -> Vec<String> {
    let comments = header.lines().map(|line| line.strip_prefix(" *"));
    let lines: Vec<&str> = comments.map(|line| line.unwrap_or("end")).collect();
    let mut blocks = vec![];
    let mut block = String::new();
    let mut may_begin = false;
    for (i, line) in lines.iter().enumerate() {
        let goes_on = lines.get(i + 1).is_some_and(|l| l.starts_with("     "));
        match line.strip_prefix("     ") {
            Some(code) if may_begin || !block.is_empty() => block += &format!("{code}\n"),
            None if line.is_empty() && goes_on && !block.is_empty() => block.push('\n'),
            _ if !block.is_empty() => blocks.push(std::mem::take(&mut block)),
            _ => {}
        }
        may_begin = line.chars().all(|c| c.is_ascii_uppercase() || c == ' ');
    }
    blocks
}

/// Wraps the examples in functions, with the names that they use.
fn program_of(examples: &[String]) -> String {
    let mut program = String::from(
        "#include <stdio.h>\n#include <stdlib.h>\n#include <wxtoken.h>\n\
         #if WXTOKEN_VERSION_NUMBER < 1\n#error \"no version\"\n#endif\n\
         extern wxtoken *wx; extern wxtoken_error err; extern wxtoken_token token;\n\
         extern const char *secret, *ticket;\n\
         int call_api(const char *token);\nvoid examples(void);\nvoid examples(void)\n{\n",
    );
    for example in examples {
        writeln!(program, "    {{\n{example}    }}").unwrap();
    }
    program + "}\n"
}

fn compile(command: [&str; 3], file: &Path, code: &str) {
    std::fs::write(file, code).unwrap();
    let [compiler, language, standard] = command;
    let warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"];
    let output = Command::new(compiler)
        .args([language, standard, "-fsyntax-only"])
        .args(warnings)
        .arg("-I")
        .arg(root().join("include"))
        .arg(file)
        .output()
        .unwrap_or_else(|e| panic!("{compiler}: {e}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{compiler} {standard}: {said}\n{code}"
    );
}

#[test]
fn programs_of_old_standards_can_include_the_header() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("old.c");
    let code = "#include <wxtoken.h>\nint old(wxtoken *wx, wxtoken_token *token);\n\
                int old(wxtoken *wx, wxtoken_token *token)\n\
                { return wxtoken_get(wx, \"shop\", token, 0) == WXTOKEN_OK; }\n";
    for standard in ["-std=c90", "-std=gnu90"] {
        compile(["cc", "-xc", standard], &file, code);
    }
    compile(["c++", "-xc++", "-std=c++98"], &file, code);
}

#[test]
fn the_examples_of_the_header_compile_as_c_and_as_c_plus_plus() {
    let is_table = |block: &String| TABLES.contains(&block.split(' ').next().unwrap());
    let (tables, examples): (Vec<_>, Vec<_>) = blocks(&committed()).into_iter().partition(is_table);
    assert_eq!(tables.len(), TABLES.len(), "{tables:#?}");
    let (first_use, snippets) = examples.split_first().unwrap();
    assert!(first_use.contains("int main(void)"), "{first_use}");
    // Each function has an example, but those that free the handle and give static texts.
    assert_eq!(snippets.len(), 8, "{snippets:#?}");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("example.c");
    for code in [first_use, &program_of(snippets)] {
        // C++ wants a cast of the memory that malloc gives.
        let in_cplusplus = code.replace("= malloc(", "= (char *)malloc(");
        for standard in ["-std=c99", "-std=c11"] {
            compile(["cc", "-xc", standard], &file, code);
        }
        for standard in ["-std=c++11", "-std=c++17"] {
            compile(["c++", "-xc++", standard], &file, &in_cplusplus);
        }
    }
}
