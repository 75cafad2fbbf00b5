//! The terminal behind stdout: the number of its columns, and whether it shows more than ASCII.

use std::io;

/// The properties of stdout.
pub struct Terminal {
    /// The number of columns. None if stdout is not a terminal and COLUMNS is not set.
    pub columns: Option<usize>,
    /// Whether more than ASCII can be shown.
    pub unicode: bool,
}

impl Terminal {
    pub fn of_stdout() -> Terminal {
        let size = terminal_size::terminal_size_of(io::stdout());
        let said = |name: &str| {
            let value = std::env::var(name).ok()?;
            value.parse::<usize>().ok().filter(|number| *number > 0)
        };
        Terminal {
            columns: size
                .map(|(width, _)| usize::from(width.0))
                .filter(|columns| *columns > 0)
                .or_else(|| said("COLUMNS")),
            unicode: locale_is_utf8(),
        }
    }
}

fn locale_is_utf8() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    set.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}
