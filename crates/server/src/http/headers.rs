//! What every answer tells a browser. The policy starts from nothing allowed.

use axum::{extract::Request, http::HeaderValue, middleware::Next, response::Response};

/// Everything comes from us: no inline script, no inline style, no other site.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Adds the headers.
pub async fn secure(request: Request, next: Next) -> Response {
    let cacheable = request.uri().path().starts_with("/assets/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert("content-security-policy", HeaderValue::from_static(POLICY));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert("referrer-policy", HeaderValue::from_static("no-referrer"));
    if !cacheable {
        headers.insert("cache-control", HeaderValue::from_static("no-store"));
    }
    response
}
