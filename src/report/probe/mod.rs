//! A probe for programs and for issues, and what its pages for people are made of.
//!
//! [`words`], [`phases`], [`requests`] and [`holds`] put what was seen into words and rows, once for
//! every page; [`json`] and [`markdown()`] are whole documents; [`catalogue`] writes the findings that
//! a probe knows.

pub mod catalogue;
#[cfg(test)]
pub(crate) mod fixture;
mod guarded;
pub mod holds;
mod json;
mod markdown;
pub mod phases;
pub mod requests;
pub mod session;
pub mod words;

pub use json::{SCHEMA_VERSION, json, schema};
pub use markdown::markdown;
