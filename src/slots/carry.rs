//! What was injected, carried over into what the user sent now: it stands there as it stood, and the user's is as they
//! wrote it.

use super::tree::Node;

/// Puts into the user's part of a template what the stored template has over the user's part of that. Both parts say the
/// same, so their containers are the same ones in the same order.
pub(crate) fn carry<'a>(stored: &Node<'a>, users: &Node<'a>, into: &mut Node<'a>) {
    if stored == users {
        return;
    }
    match (stored, users) {
        (Node::Object(stored), Node::Object(_)) => {
            for (name, stored) in stored {
                let users = users.get(name).unwrap_or(&Node::Gone);
                if stored != users {
                    carry(stored, users, into.place(name));
                }
            }
        }
        (Node::List(stored), Node::List(users)) => {
            // A list that holds nothing of the user's may be left out now.
            if !matches!(into, Node::List(_)) {
                *into = Node::List(Vec::new());
            }
            if let Node::List(into) = into {
                list(stored, users, into);
            }
        }
        (stored, _) => *into = stored.clone(),
    }
}

/// Of a list with items of the user's: ours go where the user's part has left their places, or else before and after the
/// user's, as they stood.
fn list<'a>(stored: &[Node<'a>], users: &[Node<'a>], into: &mut Vec<Node<'a>>) {
    if let Some(Node::Object(_)) = stored.first() {
        for ((stored, users), into) in stored.iter().zip(users).zip(into) {
            carry(stored, users, into);
        }
        return;
    }
    let gone = |node: &Node<'_>| matches!(node, Node::Gone);
    let ours = stored.iter().zip(users).filter(|(_, users)| gone(users));
    let ours: Vec<_> = ours.map(|(stored, _)| stored.clone()).collect();
    if into.iter().filter(|node| gone(node)).count() == ours.len() {
        let places = into.iter_mut().filter(|node| gone(node));
        places.zip(ours).for_each(|(place, ours)| *place = ours);
        return;
    }
    let first = users.iter().take_while(|node| gone(node)).count();
    into.retain(|node| !gone(node));
    into.splice(0..0, ours[..first].iter().cloned());
    into.extend_from_slice(&ours[first..]);
}
