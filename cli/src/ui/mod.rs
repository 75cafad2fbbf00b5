//! The user interface: text on stdout and stderr, in the words and columns of a terminal.

pub mod hint;
pub mod layout;
pub mod output;
pub mod plural;
pub mod progress;
pub mod prometheus;
pub mod shell;
pub mod table;
pub mod terminal;
pub mod time;
pub mod width;
