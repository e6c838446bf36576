//! One file a verb of the command line: what it does, without how its flags are parsed.

pub mod check;
pub mod init;
pub mod schema;
