//! How much processor time this process may use: its processors, and its group's quota.
//!
//! A container with a limit of half a processor sees all processors of its machine. The limit is
//! the kernel's CFS bandwidth: so many microseconds of processor time a period (100 ms by default)
//! for all threads together, those of the idle class as well; when they are used up, every thread
//! of the group stands still until the next period. So whoever spends the quota beside live
//! requests delays them, however idle the processors are.
//!
//! The files are those of `cgroups(7)`: version 2's `cpu.max`, version 1's `cpu.cfs_quota_us` and
//! `cpu.cfs_period_us`; the tightest on the way up to the root of the mount holds.

use std::time::Duration;

/// What this process may use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Allowance {
    /// Processor seconds a second: a whole number without a quota.
    pub(super) processors: f64,
    /// The length of a quota's period, where there is a quota that binds.
    pub(super) period: Option<Duration>,
}

impl Allowance {
    /// Reads it anew.
    pub(super) fn read() -> Allowance {
        let processors = processors();
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(quota) = quota::read(std::path::Path::new("/"))
            && quota.share < processors
        {
            return Allowance { processors: quota.share, period: Some(quota.period) };
        }
        Allowance { processors, period: None }
    }
}

/// The processors that this process may run on.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn processors() -> f64 {
    // Not `available_parallelism` alone, which rounds a quota to whole processors.
    match rustix::thread::sched_getaffinity(None) {
        Ok(set) => f64::from(set.count().max(1)),
        Err(_) => std::thread::available_parallelism().map_or(1.0, |count| count.get() as f64),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn processors() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |count| count.get() as f64)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod quota {
    use std::{
        fs,
        path::{Path, PathBuf},
        time::Duration,
    };

    /// Processor seconds a second, dealt out by the period.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub(super) struct Quota {
        pub(super) share: f64,
        pub(super) period: Duration,
    }

    #[derive(Clone, Copy, PartialEq)]
    enum Version {
        One,
        Two,
    }

    /// The tightest quota of this process, with the file system's root at `root`.
    pub(super) fn read(root: &Path) -> Option<Quota> {
        let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
        let mounts = fs::read_to_string(root.join("proc/self/mountinfo")).ok()?;
        let quotas = groups.lines().filter_map(|line| {
            let (version, path) = group(line)?;
            tightest(root, &mounts, version, path)
        });
        quotas.min_by(|a, b| a.share.total_cmp(&b.share))
    }

    /// `0::/path` of version 2, or `4:cpu,cpuacct:/path` of version 1.
    fn group(line: &str) -> Option<(Version, &str)> {
        let (number, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        match controllers {
            "" if number == "0" => Some((Version::Two, path)),
            _ if controllers.split(',').any(|name| name == "cpu") => Some((Version::One, path)),
            _ => None,
        }
    }

    fn tightest(root: &Path, mounts: &str, version: Version, path: &str) -> Option<Quota> {
        let (mounted, top) = mounts.lines().find_map(|line| mount(line, version))?;
        let mounted = root.join(mounted.trim_start_matches('/'));
        // In a container without a namespace of its own the path is the host's, and the mount
        // begins somewhere down that path.
        let below = path.strip_prefix(&*top).unwrap_or("");
        let mut folder: PathBuf = mounted.join(below.trim_start_matches('/'));
        let mut found: Option<Quota> = None;
        loop {
            if let Some(quota) = of_folder(&folder, version)
                && found.is_none_or(|known| quota.share < known.share)
            {
                found = Some(quota);
            }
            if folder == mounted || !folder.pop() || !folder.starts_with(&mounted) {
                return found;
            }
        }
    }

    /// The mount point and what of the hierarchy it shows, if this line of `mountinfo` mounts it:
    /// `30 23 0:26 /shown /mount/point rw,... shared:9 - cgroup2 cgroup2 rw,...`
    fn mount(line: &str, version: Version) -> Option<(String, String)> {
        let (place, kind) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (shown, point) = (place.next()?, place.next()?);
        let mut kind = kind.split(' ');
        let fits = match (kind.next()?, version) {
            ("cgroup2", Version::Two) => true,
            ("cgroup", Version::One) => {
                kind.nth(1).is_some_and(|options| options.split(',').any(|name| name == "cpu"))
            }
            _ => false,
        };
        fits.then(|| (unescaped(point), unescaped(shown)))
    }

    /// A path as it is: `mountinfo` writes its spaces, tabs, line ends and backslashes in octal.
    fn unescaped(path: &str) -> String {
        let marks = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
        marks.iter().fold(path.to_owned(), |path, (mark, meant)| path.replace(mark, meant))
    }

    fn of_folder(folder: &Path, version: Version) -> Option<Quota> {
        let text = |name: &str| fs::read_to_string(folder.join(name)).ok();
        let (quota, period) = match version {
            Version::Two => {
                let both = text("cpu.max")?;
                let (quota, period) = both.trim().split_once(' ')?;
                (quota.parse::<u64>().ok()?, period.parse::<u64>().ok()?)
            }
            // No quota is -1 here, and "max" there: neither is a `u64`.
            Version::One => (
                text("cpu.cfs_quota_us")?.trim().parse().ok()?,
                text("cpu.cfs_period_us")?.trim().parse().ok()?,
            ),
        };
        (quota > 0 && period > 0).then(|| Quota {
            share: quota as f64 / period as f64,
            period: Duration::from_micros(period),
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// A file system of these files.
        fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
            let root = tempfile::tempdir().unwrap();
            for (path, text) in files {
                let path = root.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            root
        }

        fn found(files: &[(&str, &str)]) -> Option<(f64, u128)> {
            read(root(files).path()).map(|quota| (quota.share, quota.period.as_millis()))
        }

        const TWO: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";

        #[test]
        fn a_container_of_version_two_sees_its_limit_at_the_root() {
            let files = [
                ("proc/self/cgroup", "0::/\n"),
                ("proc/self/mountinfo", TWO),
                ("sys/fs/cgroup/cpu.max", "50000 100000\n"),
            ];
            assert_eq!(found(&files), Some((0.5, 100)));
        }

        #[test]
        fn the_tightest_limit_on_the_way_up_holds() {
            let files = [
                ("proc/self/cgroup", "0::/kubepods/pod1/app\n"),
                ("proc/self/mountinfo", TWO),
                ("sys/fs/cgroup/kubepods/cpu.max", "max 100000\n"),
                ("sys/fs/cgroup/kubepods/pod1/cpu.max", "150000 100000\n"),
                ("sys/fs/cgroup/kubepods/pod1/app/cpu.max", "100000 50000\n"),
            ];
            assert_eq!(found(&files), Some((1.5, 100)));
        }

        #[test]
        fn no_limit_is_none() {
            let files = [
                ("proc/self/cgroup", "0::/app\n"),
                ("proc/self/mountinfo", TWO),
                ("sys/fs/cgroup/app/cpu.max", "max 100000\n"),
            ];
            assert_eq!(found(&files), None);
            let files = [
                ("proc/self/cgroup", "4:cpu:/app\n0::/\n"),
                (
                    "proc/self/mountinfo",
                    "31 30 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n",
                ),
                ("sys/fs/cgroup/cpu/app/cpu.cfs_quota_us", "-1\n"),
                ("sys/fs/cgroup/cpu/app/cpu.cfs_period_us", "100000\n"),
            ];
            assert_eq!(found(&files), None);
        }

        #[test]
        fn a_container_of_version_one_sees_its_limit_where_its_mount_begins() {
            let files = [
                ("proc/self/cgroup", "5:memory:/docker/1f\n4:cpu,cpuacct:/docker/1f\n0::/\n"),
                (
                    "proc/self/mountinfo",
                    "30 23 0:26 / /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n\
                     31 30 0:27 /docker/1f /sys/fs/cgroup/cpu,cpuacct ro shared:9 - cgroup cgroup \
                     rw,cpu,cpuacct\n",
                ),
                ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "25000\n"),
                ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
            ];
            assert_eq!(found(&files), Some((0.25, 100)));
        }

        #[test]
        fn the_tightest_limit_on_the_way_up_holds_in_version_one_as_well() {
            let quotas = |folder: &str, quota: &str, period: &str| {
                let folder = format!("sys/fs/cgroup/cpu/{folder}");
                [
                    (format!("{folder}/cpu.cfs_quota_us"), format!("{quota}\n")),
                    (format!("{folder}/cpu.cfs_period_us"), format!("{period}\n")),
                ]
            };
            let files: Vec<(String, String)> = [
                (
                    "proc/self/cgroup".into(),
                    "1:name=systemd:/x\n4:cpuacct,cpu:/pods/pod/app\n".into(),
                ),
                (
                    "proc/self/mountinfo".into(),
                    "31 30 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpuacct,cpu\n".into(),
                ),
                // The period alone says nothing.
                ("sys/fs/cgroup/cpu/pods/cpu.cfs_period_us".into(), "100000\n".into()),
            ]
            .into_iter()
            .chain(quotas("", "-1", "100000"))
            .chain(quotas("pods/pod", "30000", "50000"))
            .chain(quotas("pods/pod/app", "-1", "100000"))
            .collect();
            let files: Vec<(&str, &str)> = files.iter().map(|(a, b)| (&**a, &**b)).collect();
            assert_eq!(found(&files), Some((0.6, 50)));
        }

        #[test]
        fn of_two_hierarchies_with_a_limit_the_tighter_holds() {
            let mounts = format!(
                "31 30 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n{}",
                TWO.replace("/sys/fs/cgroup ", "/sys/fs/cgroup/unified ")
            );
            for (one, two, share) in [("50000", "80000", 0.5), ("90000", "80000", 0.8)] {
                let two = format!("{two} 100000\n");
                let files = [
                    ("proc/self/cgroup", "4:cpu:/app\n0::/app\n"),
                    ("proc/self/mountinfo", &*mounts),
                    ("sys/fs/cgroup/cpu/app/cpu.cfs_quota_us", one),
                    ("sys/fs/cgroup/cpu/app/cpu.cfs_period_us", "100000"),
                    ("sys/fs/cgroup/unified/app/cpu.max", &two),
                ];
                assert_eq!(found(&files), Some((share, 100)));
            }
        }

        #[test]
        fn a_mount_may_have_a_space_in_its_name_and_groups_below_that_are_not_shown() {
            let files = [
                // The host's path of a group, seen where only the container's own is mounted.
                ("proc/self/cgroup", "0::/kubepods/pod 1/app\n"),
                (
                    "proc/self/mountinfo",
                    "30 23 0:26 /kubepods/pod\\0401 /my\\040groups rw - cgroup2 cgroup2 rw\n",
                ),
                ("my groups/cpu.max", "150000 100000\n"),
                ("my groups/app/cpu.max", "max 100000\n"),
            ];
            assert_eq!(found(&files), Some((1.5, 100)));
        }

        #[test]
        fn files_that_make_no_sense_are_no_limit() {
            for (group, mounts, max) in [
                ("", TWO, "50000 100000"),
                ("0::/", "", "50000 100000"),
                ("0::/", "a - b\n - cgroup2\n1 2 3 - cgroup2\n", "50000 100000"),
                ("0::/", TWO, "0 100000"),
                ("0::/", TWO, "50000 0"),
                ("0::/", TWO, "fifty"),
                ("0::/../../..", TWO, ""),
            ] {
                let files = [
                    ("proc/self/cgroup", group),
                    ("proc/self/mountinfo", mounts),
                    ("sys/fs/cgroup/cpu.max", max),
                ];
                assert_eq!(found(&files), None, "{group} {mounts} {max}");
            }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn processors_are_those_that_this_thread_may_run_on() {
        // The mask is the thread's own, as a container's set of processors is.
        let pinned = std::thread::spawn(|| {
            let all = rustix::thread::sched_getaffinity(None).unwrap();
            let first = (0..rustix::thread::CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)).unwrap();
            let mut one = rustix::thread::CpuSet::new();
            one.set(first);
            rustix::thread::sched_setaffinity(None, &one).unwrap();
            (f64::from(all.count()), processors(), Allowance::read().processors)
        });
        let (before, after, allowed) = pinned.join().unwrap();
        assert!(before >= after && after == 1.0, "{before} {after}");
        assert!(allowed <= 1.0, "{allowed}");
    }
}
