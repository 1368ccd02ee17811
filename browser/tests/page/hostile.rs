//! What others put into manifests, and what other pages try.

use serde_json::json;

use crate::driver::browse;

#[test]
fn nothing_in_a_manifest_becomes_markup_or_runs() {
    browse("", |page| async move {
        const EVIL: &str = "<img src=x onerror=window.hit=1><script>window.hit=2</script>";
        let inside = json!(format!("{EVIL}\u{202e}\u{7}</textarea></td>")).to_string();
        let manifest = format!(
            "# {EVIL}\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {inside}\n  namespace: {inside}\n  annotations:\n    silkroll.dev/{EVIL}: {inside}\n    silkroll.dev/drain-seconds: {inside}\n    silkroll.dev/ignore: {inside}\nspec:\n  replicas: 1\n  template:\n    spec:\n      containers:\n        - name: {inside} # {EVIL}\n          image: {inside}\n          command: [{inside}]\n          lifecycle: {{preStop: {{exec: {{command: [{inside}]}}}}}}\n"
        );
        let valid = manifest
            .replacen(
                &format!("    silkroll.dev/drain-seconds: {inside}\n"),
                "",
                1,
            )
            .replacen(&format!("    silkroll.dev/{EVIL}: {inside}\n"), "", 1);
        let review = json!({"kind": inside, "apiVersion": inside, "metadata": {"name": EVIL}, "items": [{"kind": EVIL}]});
        let broken = format!("{EVIL}: [\n");
        for text in [manifest, valid, review.to_string(), broken] {
            page.fill(&text).await;
            page.click("#run").await;
            page.until("document.getElementById('outcome').className === ''")
                .await;
            page.ask("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
                .await;
            assert_eq!(page.ask("window.hit ?? null").await, json!(null), "{text}");
            let made = page.ask("document.querySelectorAll('#result img, #result script, #result textarea, #result a[href]:not([href^=\"#\"])').length").await;
            assert_eq!(made, 0, "{text}");
            let shown = page.text("#result").await;
            assert!(
                !shown.contains('\u{202e}'),
                "what turns the text around is shown as its code"
            );
            // What is quoted is there as text, not taken out.
            let quoted = ["<img src=x", "1 of other kinds", "cannot be used"];
            assert!(quoted.iter().any(|text| shown.contains(text)), "{shown}");
        }
        // Chromium itself notes that the last one was refused; its policy had nothing to stop.
        let complaints = page.complaints().await;
        let others = complaints
            .iter()
            .filter(|line| !line.contains("a status of 400"));
        assert_eq!(others.count(), 0, "{complaints:?}");
    });
}

#[test]
fn the_policy_of_the_page_stops_what_is_inline_or_from_elsewhere() {
    // That the browser's log of violations, which is empty in the other tests, would have one.
    browse("", |page| async move {
        page.ask("(() => { const one = document.createElement('script'); one.textContent = 'window.hit = 1'; document.body.append(one); const two = document.createElement('img'); two.src = 'http://evil.example/x.png'; document.body.append(two); })()").await;
        page.until("true").await;
        assert_eq!(page.ask("window.hit ?? null").await, json!(null));
        let complaints = page.complaints().await;
        let refused = complaints
            .iter()
            .filter(|line| line.contains("Content Security Policy"));
        assert!(refused.count() >= 2, "{complaints:?}");
    });
}

#[test]
fn a_name_that_leads_to_loopback_gets_nothing() {
    browse("apiVersion: v1\nkind: Secret\n", |page| async move {
        let (_, port) = page.address.rsplit_once(':').unwrap();
        for path in ["/dry-run", "/dry-run/start.json", "/dry-run/page.js", "/"] {
            let url = format!("http://evil.example:{port}{path}");
            page.client.goto(&url).await.unwrap();
            let text = page.text("body").await;
            assert!(
                text.starts_with("refused: the Host is not a loopback address"),
                "{path}: {text}"
            );
        }
        // From another page's script: the browser sends the request, and its Origin gives it away.
        let script = format!(
            "fetch('http://{}/dry-run', {{method: 'POST', mode: 'no-cors', body: 'kind: List'}}).then(() => 'sent', String)",
            page.address
        );
        page.client
            .execute_async(
                &format!("const done = arguments[0]; {script}.then(done);"),
                vec![],
            )
            .await
            .unwrap();
        let host = page.address.clone();
        let answer = std::thread::spawn(move || crate::hostile::post_as_other_page(&host))
            .join()
            .unwrap();
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    });
}

/// The same request with the headers that such a browser sends.
fn post_as_other_page(address: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /dry-run HTTP/1.1\r\nHost: {address}\r\nOrigin: http://evil.example\r\nContent-Length: 10\r\nConnection: close\r\n\r\nkind: List"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
