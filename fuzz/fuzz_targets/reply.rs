//! Any bytes as the body of a token reply.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    wxtoken::parse_reply(bytes);
});
