//! That it can be read: dark and light, on narrow screens, by screen readers.

use serde_json::{Value, json};

use crate::WEB;
use crate::driver::{Page, browse};

/// For each visible text of the page its contrast with what is behind it, as WCAG counts it.
const CONTRASTS: &str = r"(() => {
  const parse = (text) => text.match(/[\d.]+/g).map(Number);
  const light = (text) => {
    const [r, g, b] = parse(text).slice(0, 3).map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const back = getComputedStyle(at).backgroundColor;
      const parts = parse(back);
      if (parts.length < 4 || parts[3] === 1) return back;
    }
    return 'rgb(255, 255, 255)';
  };
  const low = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || element.closest('svg, noscript, .quiet') || !element.getClientRects().length) continue;
    const [a, b] = [light(getComputedStyle(element).color), light(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) low.push(`${contrast.toFixed(1)}: ${node.textContent.trim().slice(0, 40)}`);
  }
  return low;
})()";

/// What of the page stands beyond its right edge, or is cut by a box that has to be scrolled sideways; the manifest is as
/// wide as its lines are.
const OUTSIDE: &str = r"[...document.body.querySelectorAll('*')].filter((one) => {
  if (one.closest('.skip, .sr, noscript, textarea, thead') || !one.getClientRects().length) return false;
  const box = one.getBoundingClientRect();
  const cut = getComputedStyle(one).overflowX !== 'visible' && one.scrollWidth > one.clientWidth + 1;
  return box.width > 1 && (box.right > innerWidth + 0.5 || box.left < -0.5 || (cut && !one.closest('svg, form')));
}).map((one) => `${one.tagName} ${one.className.baseVal ?? one.className} ${one.textContent.slice(0, 30)}`)";

/// Words below 12 px as they are drawn: a picture that is scaled scales its words.
const SMALL: &str = r"(() => {
  const small = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const one = node.parentElement;
    if (!node.textContent.trim() || one.closest('noscript, .sr') || !one.getClientRects().length) continue;
    const size = Number.parseFloat(getComputedStyle(one).fontSize) * (one.getScreenCTM?.().a ?? 1);
    if (size < 12) small.push(`${size}: ${node.textContent.trim().slice(0, 40)}`);
  }
  return small;
})()";

async fn scheme(page: &Page, scheme: &str) {
    let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
    page.cdp("Emulation.setEmulatedMedia", json!({"features": features}))
        .await;
}

#[test]
fn dark_and_light_go_by_the_system_and_both_can_be_read() {
    browse(WEB, |page| async move {
        page.outcome().await;
        let mut backs = Vec::new();
        for name in ["light", "dark"] {
            scheme(&page, name).await;
            page.until(&format!(
                "matchMedia('(prefers-color-scheme: {name})').matches"
            ))
            .await;
            backs.push(
                page.ask("getComputedStyle(document.body).backgroundColor")
                    .await,
            );
            assert_eq!(page.ask(CONTRASTS).await, json!([]), "{name}");
        }
        assert_ne!(backs[0], backs[1]);
    });
}

#[test]
fn nothing_is_cut_off_on_a_narrow_screen() {
    browse(WEB, |page| async move {
        page.outcome().await;
        for width in [360, 400, 700, 1400] {
            let size =
                json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false});
            page.cdp("Emulation.setDeviceMetricsOverride", size).await;
            page.until(&format!("innerWidth === {width}")).await;
            let wider = page
                .ask("document.documentElement.scrollWidth - innerWidth")
                .await;
            assert!(wider.as_i64().unwrap() <= 0, "{width}: {wider} more");
            // The picture of the stop follows with the next frame.
            page.until("[...document.querySelectorAll('svg.stop text')].every((one) => one.getBoundingClientRect().right <= innerWidth)")
                .await;
            assert_eq!(page.ask(OUTSIDE).await, json!([]), "{width}");
            assert_eq!(page.ask(SMALL).await, json!([]), "{width}");
            let callers = page.text(".phases").await;
            assert!(
                callers.contains("fewer and fewer new requests come"),
                "{width}: {callers}"
            );
        }
    });
}

#[test]
fn a_screen_reader_finds_names_landmarks_and_the_outcome() {
    browse(WEB, |page| async move {
        page.outcome().await;
        page.click("#add").await;
        let tree = page.cdp("Accessibility.getFullAXTree", json!({})).await;
        let nodes = tree["nodes"].as_array().unwrap();
        let nodes: Vec<_> = nodes
            .iter()
            .filter(|node| node["ignored"] == false)
            .collect();
        let text =
            |node: &Value, of: &str| node[of]["value"].as_str().unwrap_or_default().to_owned();
        for node in &nodes {
            let role = text(node, "role");
            let needs = [
                "textbox",
                "combobox",
                "button",
                "link",
                "img",
                "image",
                "table",
                "form",
                "navigation",
            ];
            if needs.contains(&&*role) {
                assert_ne!(text(node, "name"), "", "{node}");
            }
        }
        let roles: Vec<String> = nodes.iter().map(|node| text(node, "role")).collect();
        for role in [
            "banner",
            "main",
            "form",
            "navigation",
            "status",
            "region",
            "heading",
        ] {
            assert!(roles.iter().any(|one| one == role), "{role}: {roles:?}");
        }
        let headings = page.ask("[...document.querySelectorAll('h1,h2,h3,h4')].map((one) => Number(one.tagName[1]))").await;
        let levels: Vec<i64> = headings
            .as_array()
            .unwrap()
            .iter()
            .map(|level| level.as_i64().unwrap())
            .collect();
        assert_eq!(levels[0], 1);
        assert!(
            levels.windows(2).all(|pair| pair[1] <= pair[0] + 1),
            "{levels:?}"
        );
        assert_eq!(
            page.ask("document.getElementById('outcome').ariaLive")
                .await,
            "polite"
        );
    });
}
