//! Injecting and removing again gives back what was there.

use std::path::Path;

use crate::doors::{inject, values};

#[test]
fn removing_gives_back_the_examples() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let namespaces = examples.join("namespaces.yaml").display().to_string();
    for name in [
        "nacos-customer",
        "mainstay-provider",
        "spring-boot",
        "nginx",
        "spring-boot/nacos",
        "spring-boot/eureka",
        "dubbo",
        "grpc",
    ] {
        let file = examples.join(format!("{name}.yaml"));
        let original = std::fs::read_to_string(&file).unwrap();
        let file = file.display().to_string();
        let there = inject(&["-f", &file, "--namespaces", &namespaces], b"");
        assert_eq!(there.code, 0, "{name}: {}", there.report);
        assert_ne!(there.out, original, "{name}");
        let again = inject(
            &["-f", "-", "--namespaces", &namespaces],
            there.out.as_bytes(),
        );
        assert_eq!(again.out, there.out, "{name}: {}", again.report);
        let back = inject(&["-f", "-", "--remove"], there.out.as_bytes());
        assert_eq!(back.code, 0, "{name}: {}", back.report);
        assert_eq!(values(&back.out), values(&original), "{name}");
        assert_eq!(back.out, original, "{name}");
        let nothing = inject(&["-f", "-", "--remove"], back.out.as_bytes());
        assert_eq!((nothing.code, nothing.out), (0, back.out), "{name}");
    }
}
