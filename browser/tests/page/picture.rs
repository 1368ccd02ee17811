//! The picture of the page in the documentation, made on request: `make test-page PICTURE=docs/preview.png`.

use serde_json::json;

use crate::driver::browse;

/// What is shown: a Service that callers find in Nacos, with its own hook.
const SHOWN: &str = include_str!("shown.yaml");

/// GitHub's pages load it each time.
const MOST_BYTES: usize = 150_000;

#[test]
fn a_picture_is_made_where_one_is_asked_for() {
    let Some(path) = std::env::var_os("PICTURE").filter(|path| !path.is_empty()) else {
        return;
    };
    browse(SHOWN, |page| async move {
        page.outcome().await;
        let size = json!({"width": 1200, "height": 760, "deviceScaleFactor": 1, "mobile": false});
        page.cdp("Emulation.setDeviceMetricsOverride", size).await;
        page.until("innerWidth === 1200").await;
        page.ask("document.activeElement.blur()").await;
        let clip = json!({"x": 0, "y": 0, "width": 1200, "height": 760, "scale": 1});
        let png = page.picture(clip).await;
        std::fs::write(path, &png).unwrap();
        assert!(png.len() < MOST_BYTES, "{} bytes", png.len());
    });
}
