//! What holds a pod's network while its containers come and go. The runtime ends it with SIGKILL.

fn main() {
    loop {
        std::thread::park();
    }
}
