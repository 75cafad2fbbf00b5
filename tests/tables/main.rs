//! Compares the library's tables of options, kinds and statuses with every page that lists them. `make tables` rewrites
//! the generated parts (it sets WXTOKEN_WRITE_TABLES).

mod page;

use ::wxtoken::tool::{
    AccountReport, KindOfAccount, OptionOfHandle, Report, TokenReport, kinds, options, statuses,
};
use page::{Page, TODO};

const HEADER: &str = "src/ffi/mod.rs";

/// Fails with everything that is wrong on these pages.
fn compare(pages: Vec<Page>) {
    let flaws: Vec<String> = pages.into_iter().flat_map(Page::close).collect();
    assert!(
        flaws.is_empty(),
        "run `make tables` and commit what it writes; the rest is to be written by hand:\n{}",
        flaws.join("\n")
    );
}

fn capitalised(sentence: &str) -> String {
    let mut chars = sentence.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

// --- options ---

/// The options in fixed columns.
fn block_of_options() -> Vec<String> {
    let line = |name: &str, default: &str, range: &str, help: &str| {
        let line = format!("{name:<21}{default:<32}{range:<15}{help}");
        assert!(line.len() <= 112, "too long for the header: {line}");
        line
    };
    let mut block = vec![line("option", "default", "range", "what it is")];
    for row in options() {
        block.push(line(row.name, &row.default, &row.range, row.help));
    }
    block
}

/// The comment on an option before its setter or its field; `code` marks the default.
fn comment_on(row: &OptionOfHandle, [open, close]: [&str; 2]) -> String {
    let (default, range, help) = (&row.default, &row.range, row.help);
    format!("  /** {open}{default}{close}, {range}: {help}. */")
}

/// A cell of an English page. Text that Markdown would take for a link becomes code.
fn marked(help: &str) -> String {
    match help.contains("://") {
        true => format!("`{help}`"),
        false => help.to_owned(),
    }
}

fn in_chinese(words: &str) -> String {
    match words {
        "none" => "无".into(),
        "a URL" => "URL".into(),
        "a path" => "路径".into(),
        "a level" => "级别".into(),
        "a client key" => "客户端密钥".into(),
        "any, 4 or 6" => "any、4 或 6".into(),
        words => words.replace(" to ", " 至 ").replace(" or ", " 或 "),
    }
}

#[test]
fn every_list_of_options_matches_the_table() {
    let mut pages = Vec::new();
    for (file, mark) in [
        (HEADER, "///     "),
        ("bindings/go/option.go", "//\t"),
        ("bindings/python/wxtoken/store.py", "        "),
    ] {
        let mut page = Page::open(file);
        page.expect_block(mark, "option", &block_of_options());
        pages.push(page);
    }
    // An English page has the words of the table. A Chinese page keeps its last column.
    for (file, has_variable, is_english) in [
        ("docs/options.md", true, true),
        ("docs/options.zh-CN.md", true, false),
        ("bindings/php/README.md", false, true),
        ("bindings/php/README.zh-CN.md", false, false),
    ] {
        let mut page = Page::open(file);
        page.expect_rows("`timeout_ms`", &options(), |row, cells| {
            let name = format!("`{}`", row.name);
            let old = cells(&name).and_then(|cells| cells.into_iter().next_back());
            let default = match row.default.as_str() {
                "none" => row.default.clone(),
                other => format!("`{other}`"),
            };
            let [default, range, help] = match is_english {
                true => [default, row.range.clone(), marked(row.help)],
                false => {
                    let help = old.unwrap_or_else(|| format!("{TODO} {}", row.help));
                    [in_chinese(&default), in_chinese(&row.range), help]
                }
            };
            let variable = match has_variable {
                true => format!(" `WXTOKEN_{}` |", row.name.to_ascii_uppercase()),
                false => String::new(),
            };
            format!("| {name} |{variable} {default} | {range} | {help} |")
        });
        pages.push(page);
    }
    let mut node = Page::open("bindings/node/lib/index.d.ts");
    let mut java = Page::open("bindings/java/src/main/java/io/github/libwxtoken/Options.java");
    for row in options() {
        let field = format!("  {}?: ", row.name);
        node.expect_comment(&field, &comment_on(&row, ["`", "`"]));
    }
    // Each common option has a method. `with` takes any option.
    for (method, option) in [
        ("apiBaseUrl", "api_base_url"),
        ("workBaseUrl", "work_base_url"),
        ("timeout", "timeout_ms"),
        ("connectTimeout", "connect_timeout_ms"),
        ("refreshAhead", "refresh_ahead_s"),
        ("backgroundRefresh", "background_refresh"),
        ("revalidate", "revalidate_ms"),
        ("proxy", "proxy"),
        ("caFile", "ca_file"),
        ("keyFile", "key_file"),
    ] {
        let setter = format!("  public Options {method}(");
        let row = options().into_iter().find(|row| row.name == option);
        let row =
            row.unwrap_or_else(|| panic!("Options.java has {option}, which is not an option"));
        java.expect_comment(&setter, &comment_on(&row, ["{@code ", "}"]));
    }
    pages.extend([node, java]);
    let mut go = Page::open("bindings/go/internal/client/options.go");
    // These lists lead tests to the simulator, or nowhere. Without an option they would ask the platform.
    let mut beside_server = Page::open("tests/beside_server.py");
    let mut fuzz = Page::open("fuzz/common.rs");
    for row in options() {
        go.expect_word("option", row.name);
        if let Some(platform) = row.name.strip_suffix("_base_url") {
            beside_server.expect_word("platform", &platform.to_ascii_uppercase());
            fuzz.expect_word("option", row.name);
        }
    }
    pages.extend([go, beside_server, fuzz]);
    compare(pages);
}

// --- kinds ---

/// The kinds that users see. The kinds of the test build are on no page.
fn shipped() -> Vec<KindOfAccount> {
    let mut kinds = kinds();
    kinds.retain(|kind| kind.name != "made_up");
    kinds
}

/// The fields that must be put before the first get.
fn fields_of(kind: &KindOfAccount) -> Vec<&'static str> {
    kind.needs.clone()
}

fn block_of_kinds() -> Vec<String> {
    let line = |name: &str, id: &str, put: &str, about: &str| {
        let line = format!("{name:<18}{id:<18}{put:<23}{about}");
        assert!(
            line.trim_end().len() <= 112,
            "too long for the header: {line}"
        );
        line
    };
    let mut block = vec![line("kind", "id", "put", "what it is")];
    for kind in shipped() {
        block.push(line(
            kind.name,
            kind.id_name,
            &fields_of(&kind).join(", "),
            kind.about,
        ));
    }
    block
}

fn block_of_credentials() -> Vec<String> {
    let kinds = shipped();
    let mut block = vec![format!("{:<16}of the kinds", "credential")];
    let mut known = vec!["access_token"];
    for credential in kinds.iter().flat_map(|kind| &kind.credentials) {
        if known.contains(credential) {
            continue;
        }
        known.push(credential);
        let having = kinds.iter().filter(|k| k.credentials.contains(credential));
        let mut line = format!("{credential:<15}");
        let mut separator = " ";
        for kind in having {
            if line.len() + kind.name.len() > 110 {
                block.push(line + ",");
                line = " ".repeat(15);
                separator = " ";
            }
            line += separator;
            line += kind.name;
            separator = ", ";
        }
        block.push(line);
    }
    block
}

#[test]
fn every_list_of_kinds_and_credentials_matches_the_table() {
    let mut header = Page::open(HEADER);
    header.expect_block("///     ", "kind", &block_of_kinds());
    header.expect_block("///     ", "credential", &block_of_credentials());
    for kind in shipped() {
        for field in kind.fields {
            header.expect_word("field", field);
        }
    }
    let mut pages = vec![header];
    for file in ["docs/credentials.md", "docs/credentials.zh-CN.md"] {
        let mut page = Page::open(file);
        compare_credentials(&mut page);
        pages.push(page);
    }
    for file in [
        "bindings/php/src/Store.php",
        "bindings/go/account.go",
        "bindings/node/lib/index.d.ts",
        "bindings/python/wxtoken/store.py",
        "bindings/php/README.md",
        "bindings/php/README.zh-CN.md",
        "bindings/python/README.md",
        "bindings/python/README.zh-CN.md",
        "bindings/go/internal/client/kinds.go",
        "bindings/go/server_test/parity_test.go",
    ] {
        let mut page = Page::open(file);
        for kind in shipped() {
            page.expect_word("kind", kind.name);
        }
        pages.push(page);
    }
    for file in ["bindings/go/README.md", "bindings/go/README.zh-CN.md"] {
        let mut page = Page::open(file);
        let constants = Page::open("bindings/go/account.go").kinds_of_go();
        assert!(
            !constants.is_empty(),
            "account.go has no constant of type Kind"
        );
        for constant in constants {
            page.expect_word("kind", &constant);
        }
        pages.push(page);
    }
    // Both name two kinds before.
    let others = shipped().len() - 2;
    for (file, text) in [
        ("README.md", format!("lists {others} more kinds")),
        ("README.zh-CN.md", format!("另有 {others} 种")),
    ] {
        let mut page = Page::open(file);
        page.expect_text(&text);
        pages.push(page);
    }
    let mut java = Page::open("bindings/java/src/main/java/io/github/libwxtoken/Kind.java");
    for kind in shipped() {
        java.expect_word("kind", &kind.name.to_uppercase());
    }
    pages.push(java);
    compare(pages);
}

/// Compares the cells of the table of kinds: kind, purpose, id, secret, put, names to get.
fn compare_credentials(page: &mut Page) {
    let rows = page.rows("`official`");
    for kind in shipped() {
        let name = format!("`{}`", kind.name);
        let Some((line, cells)) = rows.iter().find(|(_, cells)| cells[0] == name) else {
            let secret = if kind.has_secret { "…" } else { "NULL" };
            let put = code(&fields_of(&kind));
            let (id, names) = (kind.id_name, code(&names_of(&kind)));
            let row = format!("| {name} | … | {id} | {secret} | {put} | {names} |");
            page.flaw(
                rows.last().map_or(1, |row| row.0),
                &format!("below, a row is missing:\n    {row}"),
            );
            continue;
        };
        if cells[2] != kind.id_name {
            page.flaw(*line, &format!("the id should be {}", kind.id_name));
        }
        if cells[3].contains("NULL") == kind.has_secret {
            page.flaw(*line, "the secret should be NULL, or should not");
        }
        let fields = fields_of(&kind);
        if quoted(&cells[4]) != fields {
            page.flaw(
                *line,
                &format!("what is put should be {}", fields.join(", ")),
            );
        }
        let names = names_of(&kind);
        if quoted(&cells[5]) != names {
            page.flaw(*line, &format!("the names should be {}", names.join(", ")));
        }
    }
}

/// The names that a get takes.
fn names_of(kind: &KindOfAccount) -> Vec<String> {
    let names = kind.credentials.iter().map(|credential| match *credential {
        "access_token" => "NAME".to_owned(),
        other => format!("NAME/{other}"),
    });
    names.collect()
}

/// The texts between backticks, separated by commas.
fn code(words: &[impl std::fmt::Display]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

/// The texts between backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

// --- statuses ---

#[test]
fn every_list_of_statuses_matches_the_table() {
    let mut types = Page::open("src/ffi/types.rs");
    for (number, name, meaning) in statuses() {
        let constant = format!("    {name} = {number},");
        let comment = format!("    /// {}.", capitalised(meaning));
        types.expect_comment(&constant, &comment);
    }
    let mut pages = vec![types];
    for (file, is_english) in [("docs/errors.md", true), ("docs/errors.zh-CN.md", false)] {
        let mut page = Page::open(file);
        page.expect_rows("1 `E_ARGUMENT`", &statuses(), |row, cells| {
            let (number, name, meaning) = *row;
            let name = format!("{number} `{}`", name.trim_start_matches("WXTOKEN_"));
            let old = cells(&name).unwrap_or_else(|| vec![String::new(), TODO.into(), TODO.into()]);
            let meaning = if is_english { meaning } else { &old[1] };
            format!("| {name} | {meaning} | {} |", old[2])
        });
        pages.push(page);
    }
    compare(pages);
}

// --- the report ---

#[test]
fn every_field_of_the_report_is_described() {
    let account = AccountReport {
        name: String::new(),
        kind: "official",
        id: String::new(),
        fingerprint: String::new(),
        from: Some(String::new()),
        current: true,
        has_secret: true,
        parent: None,
        tokens: vec![TokenReport::default()],
    };
    let report = Report {
        version: "",
        store: String::new(),
        server: None,
        away: None,
        clock_step: None,
        now: 0,
        keeper: None,
        reader: None,
        degraded: None,
        not_trusted: None,
        accounts: vec![account],
        unknown_accounts: Vec::new(),
    };
    let report = serde_json::to_value(report).unwrap();
    let account = &report["accounts"][0];
    let mut pages = Vec::new();
    for file in ["docs/store.md", "docs/store.zh-CN.md"] {
        let mut page = Page::open(file);
        for object in [&report, account, &account["tokens"][0]] {
            for field in object.as_object().unwrap().keys() {
                page.expect_word("field of the report", field);
            }
        }
        pages.push(page);
    }
    compare(pages);
}
