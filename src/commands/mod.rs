//! What each command does, without its flags. The only modules, beside `report`, that print.

pub mod serve;
