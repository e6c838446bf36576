#![no_main]

#[path = "../../fuzz_properties/mod.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::check("upgrade_answer", data));
