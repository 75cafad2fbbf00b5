mod keep;
fn main() {
    let s = wxtoken::tool::Store::open(None).unwrap();
    if let Err(e) = keep::run(&s) {
        eprintln!("{e}");
        std::process::exit(10 + e.status);
    }
}
