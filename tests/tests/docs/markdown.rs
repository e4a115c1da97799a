//! Markdown -> fences, texts in back-ticks, link targets. As much of the format as our pages use.

/// A fenced sample.
pub(crate) struct Fence {
    /// Line of the opening fence, from 1.
    pub(crate) line: usize,
    /// `gate,fragment=service,error=G0101`
    pub(crate) info: String,
    /// What stands between the fences.
    pub(crate) text: String,
}

impl Fence {
    /// `gate`, `json`, `sh`, ..
    pub(crate) fn lang(&self) -> &str {
        self.info.split(',').next().unwrap_or("")
    }

    /// The value of `name=value`, `""` for a bare `name`.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.info.split(',').skip(1).find_map(|part| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            (key == name).then_some(value)
        })
    }
}

/// All fences of a page.
pub(crate) fn fences(page: &str) -> Vec<Fence> {
    let mut fences = Vec::new();
    let mut open: Option<Fence> = None;
    for (index, line) in page.lines().enumerate() {
        let Some(info) = line.strip_prefix("```") else {
            if let Some(fence) = &mut open {
                fence.text.push_str(line);
                fence.text.push('\n');
            }
            continue;
        };
        match open.take() {
            Some(fence) => fences.push(fence),
            None => {
                open = Some(Fence {
                    line: index + 1,
                    info: info.trim().to_string(),
                    text: String::new(),
                })
            }
        }
    }
    assert!(open.is_none(), "a fence is never closed");
    fences
}

/// The page without its fences.
fn prose(page: &str) -> String {
    let mut inside = false;
    page.lines()
        .filter(|line| {
            let fence = line.starts_with("```");
            inside ^= fence;
            !inside && !fence
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// Texts between single back-ticks.
pub(crate) fn back_ticked(page: &str) -> Vec<String> {
    prose(page)
        .lines()
        .flat_map(|l| {
            l.split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_string)
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Targets of `[text](target)`.
pub(crate) fn links(page: &str) -> Vec<String> {
    prose(page)
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(t, _)| t.to_string())
        .collect()
}
