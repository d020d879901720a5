//! Goal: audiences obey the laws of sets within their universe.
//! Method: random sets of ordinals over a universe with holes; each law by name.

use crowdset_executor::Audience;
use crowdset_storage::{IdKind, MemoryDirectory, Universe, UserIds, Users, UsersBuilder};
use crowdset_testkit::random::Rng;
use crowdset_types::UserOrdinal;
use std::collections::BTreeSet;
use std::sync::Arc;

const ORDINALS: u32 = 20_000;

/// Every seventh ordinal is an orphan.
fn in_universe(user: u32) -> bool {
    user % 7 != 3
}

fn users() -> Arc<Users> {
    let directory = MemoryDirectory::new();
    let mut ids = UserIds::new(1);
    let mut bits = vec![0_u64; ORDINALS.div_ceil(64) as usize];
    for user in 0..ORDINALS {
        // Ids descend as ordinals ascend, so that the two orders differ.
        ids.get_or_insert(&format!("u{:05}", ORDINALS - user));
        if in_universe(user) {
            bits[user as usize / 64] |= 1 << (user % 64);
        }
    }
    let builder = UsersBuilder::new(&ids, IdKind::Text, Universe::Bits(bits));
    builder
        .write(&directory, "users.columns")
        .expect("memory holds it");
    Arc::new(Users::open(&directory, "users.columns").expect("just written"))
}

fn model(rng: &mut Rng) -> BTreeSet<u32> {
    let share = *rng.pick(&[0, 1, 50, 99, 100]);
    (0..ORDINALS)
        .filter(|&user| in_universe(user) && rng.below(100) < share)
        .collect()
}

fn audience(users: &Arc<Users>, model: &BTreeSet<u32>) -> Audience {
    // Orphans are left out, however they are asked for.
    let orphans = (0..ORDINALS + 100).filter(|&user| !in_universe(user));
    Audience::from_ordinals(
        users.clone(),
        model.iter().copied().chain(orphans).map(UserOrdinal),
    )
}

#[test]
fn laws() {
    let users = users();
    let everyone = Audience::everyone(users.clone());
    let nobody = Audience::nobody(users.clone());
    let mut rng = Rng::new(5);
    for _ in 0..40 {
        let models = [model(&mut rng), model(&mut rng), model(&mut rng)];
        let [a, b, c] = [0, 1, 2].map(|index| audience(&users, &models[index]));

        // Every operation is in the model.
        let members = |audience: &Audience| audience.iter().map(|user| user.0).collect::<Vec<_>>();
        assert_eq!(members(&a), models[0].iter().copied().collect::<Vec<_>>());
        assert_eq!(
            members(&a.union(&b)),
            models[0].union(&models[1]).copied().collect::<Vec<_>>()
        );
        assert_eq!(
            members(&a.intersection(&b)),
            models[0]
                .intersection(&models[1])
                .copied()
                .collect::<Vec<_>>()
        );
        assert_eq!(
            members(&a.difference(&b)),
            models[0]
                .difference(&models[1])
                .copied()
                .collect::<Vec<_>>()
        );
        assert_eq!(a.intersection_len(&b), a.intersection(&b).len());
        assert_eq!(a.len(), models[0].len() as u64);
        assert_eq!(a.to_bitmap().iter().collect::<Vec<_>>(), members(&a));
        for user in (0..50).map(|_| rng.below(ORDINALS as usize + 50) as u32) {
            assert_eq!(a.contains(UserOrdinal(user)), models[0].contains(&user));
            assert_eq!(
                everyone.contains(UserOrdinal(user)),
                user < ORDINALS && in_universe(user)
            );
        }
        let by_id: Vec<u32> = a
            .iter_by_id()
            .expect("sound bytes")
            .map(|user| user.0)
            .collect();
        assert!(by_id.iter().eq(models[0].iter().rev()));

        // commutative, associative, distributive, absorption
        assert_eq!(a.union(&b), b.union(&a));
        assert_eq!(a.intersection(&b), b.intersection(&a));
        assert_eq!(a.union(&b).union(&c), a.union(&b.union(&c)));
        assert_eq!(
            a.intersection(&b).intersection(&c),
            a.intersection(&b.intersection(&c))
        );
        assert_eq!(
            a.intersection(&b.union(&c)),
            a.intersection(&b).union(&a.intersection(&c))
        );
        assert_eq!(
            a.union(&b.intersection(&c)),
            a.union(&b).intersection(&a.union(&c))
        );
        assert_eq!(a.union(&a.intersection(&b)), a);
        // identity, complement, De Morgan
        assert_eq!(a.union(&nobody), a);
        assert_eq!(a.intersection(&everyone), a);
        assert_eq!(a.union(&a.complement()), everyone);
        assert!(a.intersection(&a.complement()).is_empty());
        assert_eq!(a.complement().complement(), a);
        assert_eq!(
            a.union(&b).complement(),
            a.complement().intersection(&b.complement())
        );
        assert_eq!(
            a.intersection(&b).complement(),
            a.complement().union(&b.complement())
        );
        assert_eq!(a.difference(&b), a.intersection(&b.complement()));
    }
    assert!(everyone.complement().is_empty() && nobody.complement().is_everyone());
}
