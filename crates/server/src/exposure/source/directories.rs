//! Feeds in directories: nothing is fetched, what lies there is the feed.

use std::path::{Path, PathBuf};

use vulns::FeedKind;

use super::{Fetched, LARGEST, Layer, SourceError, Validators};

pub(super) async fn read(folders: Vec<PathBuf>, kind: FeedKind) -> Result<Fetched, SourceError> {
    let read = tokio::task::spawn_blocking(move || read_folders(&folders, kind)).await;
    let died = |error| SourceError::File { path: PathBuf::new(), source: std::io::Error::other(error) };
    let layers = read.map_err(died)??;
    if layers.is_empty() {
        return Err(SourceError::Missing);
    }
    Ok(Fetched::Layers(layers, Validators::default()))
}

/// Reads the files of a feed below these folders: in each folder two levels deep and by
/// name, so that the order does not depend on the file system.
fn read_folders(folders: &[PathBuf], kind: FeedKind) -> Result<Vec<Layer>, SourceError> {
    let mut layers = Vec::new();
    for folder in folders {
        let mut files = Vec::new();
        list(folder, folder, 2, &mut files)?;
        files.sort();
        for relative in files.into_iter().filter(|path| vulns::recognise(path) == Some(kind)) {
            let path = folder.join(&relative);
            let fault = |source| SourceError::File { path: path.clone(), source };
            if std::fs::metadata(&path).map_err(fault)?.len() > LARGEST {
                return Err(SourceError::TooLarge { from: path.display().to_string() });
            }
            let bytes = std::fs::read(&path).map_err(fault)?;
            layers.push(Layer { path: relative, bytes });
        }
    }
    Ok(layers)
}

fn list(root: &Path, folder: &Path, depth: u8, files: &mut Vec<String>) -> Result<(), SourceError> {
    let fault = |source| SourceError::File { path: folder.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        if path.is_dir() {
            if depth > 1 {
                list(root, &path, depth - 1, files)?;
            }
        } else if let Some(relative) = path.strip_prefix(root).ok().and_then(|path| path.to_str()) {
            files.push(relative.to_owned());
        }
    }
    Ok(())
}
