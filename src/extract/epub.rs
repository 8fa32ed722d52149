//! Books (EPUB): the chapters in their reading order, each as a web page.

use super::archive::Archive;
use super::html;
use super::writer::Writer;
use super::xml::{self, Xml};
use super::{Extracted, Unusable};

pub(super) fn extract(content: Vec<u8>) -> Result<Extracted, Unusable> {
    let mut archive = Archive::open(content)?;
    let container = archive.needed("META-INF/container.xml")?;
    if archive.text("META-INF/rights.xml")?.is_some() {
        return Err("protected by digital rights management".into());
    }
    let mut package_path = None;
    xml::read("META-INF/container.xml", &container, |xml| {
        if let Xml::Open("rootfile", attributes) = xml {
            package_path = package_path.take().or_else(|| attributes.get("full-path"));
        }
    })?;
    let package_path = package_path.ok_or("META-INF/container.xml names no package")?;
    let package = Package::read(&archive.needed(&package_path)?)?;
    let folder = package_path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut writer = Writer::default();
    writer.title(&package.title);
    for (n, id) in package.spine.iter().enumerate() {
        let Some(href) = package.items.get(id) else { continue };
        let Some(page) = archive.text(&joined(folder, href))? else { continue };
        writer.place(format!("chapter {}", n + 1));
        writer.append(&html::extract(&page));
    }
    Ok(writer.finish())
}

/// The package document: what the book is made of.
#[derive(Default)]
struct Package {
    title: String,
    items: std::collections::HashMap<String, String>,
    spine: Vec<String>,
}

impl Package {
    fn read(package: &str) -> Result<Self, Unusable> {
        let mut out = Self::default();
        let mut in_title = false;
        xml::read("package", package, |xml| match xml {
            Xml::Open("title", _) => in_title = out.title.is_empty(),
            Xml::Open("item", attributes) => {
                if let (Some(id), Some(href)) = (attributes.get("id"), attributes.get("href")) {
                    out.items.insert(id, href);
                }
            }
            Xml::Open("itemref", attributes) => out.spine.extend(attributes.get("idref")),
            Xml::Text(text) if in_title => out.title.push_str(text),
            Xml::Close("title") => in_title = false,
            _ => {}
        })?;
        Ok(out)
    }
}

/// A path relative to a folder, percent signs resolved.
fn joined(folder: &str, href: &str) -> String {
    let href = href.split('#').next().unwrap_or(href);
    let mut bytes = Vec::with_capacity(href.len());
    let mut rest = href.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let escaped = more.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[2..];
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    let href = String::from_utf8_lossy(&bytes);
    let mut parts: Vec<&str> = folder.split('/').filter(|p| !p.is_empty()).collect();
    for part in href.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}
