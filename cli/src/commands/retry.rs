//! `wxtoken retry`: ends the back-off after a failure whose cause has been fixed.

use wxtoken::tool::Store;

use crate::exit::ExitResult;
use crate::ui::output;

pub fn run(store: &Store, account: Option<&str>) -> ExitResult {
    let ended = store.retry(account)?;
    if ended.is_empty() {
        let whose = account.map_or(String::new(), |name| format!("{name}: "));
        return output::print_line(&format!("{whose}nothing waits for another try"));
    }
    let next = match store.has_keeper() {
        Some(true) => "the keeper tries again now",
        _ => "the next get tries again",
    };
    let lines = ended.iter().map(|name| format!("{name}: {next}\n"));
    output::print_lines(&lines.collect::<String>())
}
