//! `wxtoken man` and `wxtoken completions`, which are generated from `args` and `help`.

use std::path::Path;

use clap::CommandFactory;
use clap::builder::Resettable;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::args::{Cli, Completions, Man as ManArgs};
use crate::exit::{ExitResult, Failure};
use crate::help::{ENVIRONMENT, EXAMPLES, FILES, exit_codes, library_options};
use crate::ui::output;

pub fn completions(wanted: &Completions) -> ExitResult {
    let mut script = Vec::new();
    clap_complete::generate(wanted.shell, &mut Cli::command(), "wxtoken", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}

pub fn pages(wanted: &ManArgs) -> ExitResult {
    let pages = all_pages()?;
    match &wanted.out {
        None => match pages.first() {
            Some((_, page)) => output::print(page),
            None => Ok(0),
        },
        Some(directory) => {
            for (name, page) in &pages {
                write_page(directory, name, page)?;
            }
            Ok(0)
        }
    }
}

fn write_page(directory: &Path, name: &str, page: &str) -> Result<(), Failure> {
    let path = directory.join(format!("{name}.1"));
    std::fs::write(&path, page).map_err(|e| Failure::io(&format!("write {}", path.display()), &e))
}

/// Returns the name and the text of each page. The page of `wxtoken` itself comes first.
fn all_pages() -> Result<Vec<(String, String)>, Failure> {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut pages = Vec::new();
    let mut waiting = vec![(root, "wxtoken".to_owned())];
    while let Some((command, name)) = waiting.pop() {
        for sub in command
            .get_subcommands()
            .filter(|sub| sub.get_name() != "help")
        {
            let of_sub = format!("{name}-{}", sub.get_name());
            waiting.push((sub.clone(), of_sub));
        }
        let page = page(command, &name).map_err(|e| Failure::io("write the manual", &e))?;
        pages.push((name, page));
    }
    Ok(pages)
}

fn page(command: clap::Command, name: &str) -> std::io::Result<String> {
    let is_root = name == "wxtoken";
    // The end of the help becomes sections of the manual.
    let command = command
        .display_name(name.to_owned())
        .after_help(Resettable::Reset)
        .after_long_help(Resettable::Reset);
    let page = Man::new(command)
        .title(name.to_owned())
        .source(concat!("wxtoken ", env!("CARGO_PKG_VERSION")))
        .manual("libwxtoken");
    let mut out = Vec::new();
    page.render(&mut out)?;
    if is_root {
        let mut roff = Roff::new();
        list(&mut roff, "EXIT STATUS", &exit_codes());
        list(&mut roff, "OPTIONS FOR --option", &library_options());
        list(&mut roff, "ENVIRONMENT", &ENVIRONMENT);
        list(&mut roff, "FILES", &FILES);
        roff.control("SH", ["EXAMPLES"]);
        roff.control("nf", []);
        for line in EXAMPLES.lines().skip(1) {
            roff.text([roman(line.trim_start())]);
        }
        roff.control("fi", []);
        roff.to_writer(&mut out)?;
    } else {
        let mut roff = Roff::new();
        roff.control("SH", ["SEE ALSO"]);
        roff.text([
            bold("wxtoken"),
            roman("(1), for the exit status, options, environment and files"),
        ]);
        roff.to_writer(&mut out)?;
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn list(roff: &mut Roff, title: &str, entries: &[(impl AsRef<str>, impl AsRef<str>)]) {
    roff.control("SH", [title]);
    for (name, meaning) in entries {
        roff.control("TP", []);
        roff.text([bold(name.as_ref())]);
        roff.text([roman(meaning.as_ref())]);
    }
}
