//! Links the shared library with a SONAME, and so that `dlclose` leaves it in memory. PHP unloads a library that FFI
//! loaded at the end of each request, and the state of the process must survive that.
//!
//! `make lib` also gives the linker the versions of the symbols, by contrib/link-with-versions.

fn main() {
    println!("cargo:rerun-if-changed=src/ffi/libwxtoken.map");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libwxtoken.so.0");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
