//! The style, the script and the mark: part of the program, served under names that
//! change with their content, so that browsers may keep them for good.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::header,
    response::{IntoResponse, Response},
};
use base::{Problem, Sha256};

use super::PageProblem;

struct Asset {
    name: &'static str,
    content_type: &'static str,
    body: &'static str,
}

const ASSETS: [Asset; 3] = [
    Asset {
        name: "holdfast.css",
        content_type: "text/css; charset=utf-8",
        body: include_str!("../../assets/holdfast.css"),
    },
    Asset {
        name: "live.js",
        content_type: "text/javascript; charset=utf-8",
        body: include_str!("../../assets/live.js"),
    },
    Asset { name: "mark.svg", content_type: "image/svg+xml", body: include_str!("../../assets/mark.svg") },
];

/// Address of each asset, in their order.
static ADDRESSES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let address = |asset: &Asset| {
        let digest = Sha256::of(asset.body.as_bytes()).to_string();
        // Eight hexadecimal digits tell the versions of one file apart.
        format!("/assets/{}?v={}", asset.name, digest.chars().take(8).collect::<String>())
    };
    ASSETS.iter().map(address).collect()
});

/// The address of an asset with the digest of its content; empty for one that is not there.
pub fn href(name: &str) -> &'static str {
    let place = ASSETS.iter().position(|asset| asset.name == name);
    place.map_or("", |place| ADDRESSES[place].as_str())
}

pub(super) async fn serve(Path(name): Path<String>) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return PageProblem(Problem::new("asset.unknown", "there is no such asset")).into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, asset.content_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, asset.body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_change_with_the_content() {
        let address = href("holdfast.css");
        let (path, digest) = address.split_once("?v=").unwrap();
        assert_eq!(path, "/assets/holdfast.css");
        assert_eq!(digest.len(), 8);
        assert_ne!(digest, href("live.js").split_once("?v=").unwrap().1);
        assert_eq!(href("other.css"), "");
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        for asset in &ASSETS {
            // The name space of SVG is an address that nobody fetches.
            let body = asset.body.replace("http://www.w3.org/2000/svg", "");
            assert!(!body.contains("http://") && !body.contains("https://"), "{}", asset.name);
        }
    }
}
