//! Lists the page's files, to be embedded as they lie in the repository, and compresses each once, so that no request
//! waits for that.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Where the page's files lie.
const FILES: &str = "plugins/dashboard/web";
/// The endings of those that are served; others are for tools.
const SERVED: [&str; 5] = ["js", "css", "html", "json", "svg"];
/// The one that is sent as no file: it is filled in for whoever asks, and small.
const FILLED_IN: &str = "index.html";

/// Names with the files that hold their contents.
type List = Vec<(String, PathBuf)>;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={FILES}");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets no OUT_DIR")?);
    let compressed = out.join("dashboard");
    fs::create_dir_all(&compressed)?;
    let mut list = List::new();
    collect(&std::path::absolute(FILES)?, "", &compressed, &mut list)?;
    list.sort();
    // The API's reference is a page by itself, at another place, which stands on the same modules.
    for (target, without) in [("dashboard.rs", "reference/"), ("reference.rs", "pages/")] {
        let served = list.iter().filter(|(name, _)| !name.starts_with(without));
        fs::write(out.join(target), lines(served))?;
    }
    Ok(())
}

/// A list as Rust.
fn lines<'a>(list: impl Iterator<Item = &'a (String, PathBuf)>) -> String {
    let line =
        |(name, path): &(String, PathBuf)| format!("({name:?}, include_bytes!({path:?}).as_slice()),\n");
    format!("&[\n{}]\n", list.map(line).collect::<String>())
}

/// Lists the files of a folder, whose names begin with `prefix`, and their compressed forms.
fn collect(folder: &Path, prefix: &str, compressed: &Path, list: &mut List) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).ok_or("a file's name is no text")?;
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            collect(&path, &format!("{name}/"), compressed, list)?;
        } else if path.extension().is_some_and(|ending| SERVED.iter().any(|served| ending == *served)) {
            let bytes = fs::read(&path)?;
            for (ending, packed) in [("br", brotli(&bytes)?), ("gz", gzip(&bytes)?)] {
                if packed.len() < bytes.len() && name != FILLED_IN {
                    let file = compressed.join(format!("{}.{ending}", name.replace('/', "-")));
                    fs::write(&file, packed)?;
                    list.push((format!("{name}.{ending}"), file));
                }
            }
            list.push((name, path));
        }
    }
    Ok(())
}

fn brotli(bytes: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut packed = Vec::new();
    let mut writer = brotli::CompressorWriter::new(&mut packed, 4096, 11, 22);
    writer.write_all(bytes)?;
    writer.flush()?;
    drop(writer);
    Ok(packed)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::best());
    writer.write_all(bytes)?;
    Ok(writer.finish()?)
}
