//! The documentation in the command: help, man pages, completions.

use std::process::Command;

use super::Desk;

#[test]
fn every_exit_code_is_documented() {
    let desk = Desk::new();
    for text in [desk.done(&["--help"]), desk.done(&["man"])] {
        for (number, name, _) in wxtoken::tool::statuses() {
            assert!(text.contains(&format!("{}", 10 + number)), "{name}");
            assert!(text.contains(name), "{name}: {text}");
        }
    }
    assert!(desk.done(&["--help"]).contains("Examples:"));
    assert!(desk.done(&["-V"]).starts_with("wxtoken "));
    assert_eq!(desk.run(&[]).code, 2);
    assert_eq!(desk.run(&["gte"]).code, 2);
}

#[test]
fn shells_accept_their_completions() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = desk.file(shell, &desk.done(&["completions", shell]));
        let text = std::fs::read_to_string(&script).unwrap();
        assert!(
            text.contains("official_classic") && text.contains("prometheus"),
            "{shell}"
        );
        match Command::new(shell).args(["-n", &script]).output() {
            Ok(read) => assert!(read.status.success() && read.stderr.is_empty(), "{shell}"),
            Err(e) => assert_ne!(shell, "bash", "{e}"),
        }
    }
}

#[test]
fn each_command_has_a_page_that_troff_accepts() {
    let desk = Desk::new();
    let pages = desk.path("man1");
    std::fs::create_dir(&pages).unwrap();
    desk.done(&["man", "--out", pages.to_str().unwrap()]);
    let page = |name: &str| std::fs::read_to_string(pages.join(format!("{name}.1"))).unwrap();
    let own = page("wxtoken");
    for section in [
        "EXIT STATUS",
        "ENVIRONMENT",
        "FILES",
        "EXAMPLES",
        "SUBCOMMANDS",
    ] {
        assert!(own.contains(section), "{section}");
    }
    for verb in [
        "get",
        "put",
        "quota",
        "status",
        "keep",
        "doctor",
        "account",
        "account-add",
        "account-remove",
    ] {
        let text = page(&format!("wxtoken-{verb}"));
        assert!(
            text.contains(&format!("wxtoken\\-{}", verb.replace('-', "\\-"))),
            "{text}"
        );
    }
    for entry in std::fs::read_dir(&pages).unwrap() {
        let path = entry.unwrap().path();
        let Ok(set) = Command::new("groff")
            .args(["-man", "-Kutf8", "-Tutf8", "-ww"])
            .arg(&path)
            .output()
        else {
            return;
        };
        assert!(set.status.success(), "{path:?}");
        assert_eq!(String::from_utf8_lossy(&set.stderr), "", "{path:?}");
    }
}
