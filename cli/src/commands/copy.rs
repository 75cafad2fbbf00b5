//! `wxtoken copy`: opens the two stores, and reports what was copied.

use wxtoken::tool::{Copied, Store};

use super::other_store::{named, set_key};
use super::{existing_at, open_at};
use crate::args::{Cli, Copy};
use crate::exit::{ExitResult, Failure, NO};
use crate::ui::output;
use crate::ui::plural::count;
use crate::ui::progress::shown;
use crate::ui::shell::quoted;

pub fn run(cli: &Cli, copy: &Copy) -> ExitResult {
    let from = named("FROM", &copy.from, copy.from_password_file.as_deref())?;
    let to = named("TO", &copy.to, copy.to_password_file.as_deref())?;
    let names = [&from, &to].map(|name| Store::locate(Some(name)));
    let [from_place, to_place] = names;
    if from_place?.name == to_place?.name {
        return Err(Failure::usage("FROM and TO are one store"));
    }
    // FROM is opened first, so that TO is not created if FROM cannot be read.
    let from = existing_at(cli, Some(&from))?.telling(shown("copying"));
    set_key(&from, copy.from_key.as_deref())?;
    if from.report()?.size() == 0 {
        return output::print_line(&format!(
            "there is no account in {}; nothing is changed",
            from.place().name
        ));
    }
    let to = open_at(cli, Some(&to))?;
    set_key(&to, copy.to_key.as_deref())?;
    let copied = from.copy_to(&to, copy.replace)?;
    output::print_line(&told(&copied, &to))?;
    for name in &copied.removed {
        output::warning(&format!(
            "account \"{name}\" was removed from {}, and is not copied",
            to.place().name
        ));
    }
    for (name, what) in &copied.differing {
        output::warning(&format!(
            "account \"{name}\" has another {what} in {}, and is left as it is",
            to.place().name
        ));
    }
    if !(copied.removed.is_empty() && copied.differing.is_empty()) {
        output::hint(&format!(
            "To take them from {}, run this again with --replace.",
            quoted(&from.place().name)
        ));
    }
    Ok(if copied.differing.is_empty() { 0 } else { NO })
}

fn told(copied: &Copied, to: &Store) -> String {
    let mut parts = vec![format!("{} copied", count(copied.new, "account"))];
    if copied.changed > 0 {
        parts.push(format!("{} changed", copied.changed));
    }
    if copied.same > 0 {
        parts.push(format!("{} there already", copied.same));
    }
    if copied.puts > 0 {
        parts.push(format!("{} copied", count(copied.puts, "pushed secret")));
    }
    let mut said = format!("{}, into {}", parts.join(", "), to.place().name);
    if let Some(current) = &copied.current {
        said.push_str(&format!("; {current} is the current account"));
    }
    said
}
