//! Draws the page: one file of HTML and SVG, with no script and nothing to fetch.

mod chart;
mod markup;
mod sections;
mod style;

use self::markup::{Page, Truncated, put};
use super::{
    content::{Content, Standing},
    figure::Moment,
};

/// The whole page, which browsers reload after `refresh` seconds.
pub(super) fn page(content: &Content, refresh: Option<u32>) -> String {
    let mut page = Page::with_capacity(64 << 10);
    put!(page; "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
        "<meta name=\"color-scheme\" content=\"light dark\">"
        "<meta name=\"referrer\" content=\"no-referrer\">");
    if let Some(seconds) = refresh {
        put!(page; "<meta http-equiv=\"refresh\" content=\"" {seconds} "\">");
    }
    put!(page; "<title>" {Truncated(&content.title, 160)} ": rollout report</title><style>");
    page.markup(style::SHEET);
    put!(page; "</style></head><body><a class=\"skip\" href=\"#main\">To the report</a><header>");
    headline(&mut page, content);
    put!(page; "</header><main id=\"main\" tabindex=\"-1\">");
    for section in sections::ALL {
        section.write(&mut page, content);
    }
    put!(page; "</main><footer><p>Made by modelgate from counts kept in the service itself. ");
    match content.at_ms {
        Some(at) => put!(page; "True at " {Moment(at)} "."),
        None => put!(page; "It carries no time."),
    }
    put!(page; " This page cannot act: see the history's last part for the calls that can.</p>"
        "</footer></body></html>\n");
    page.finish()
}

fn headline(page: &mut Page, content: &Content) {
    put!(page; "<p class=\"over\">Rollout report</p><h1>" {Truncated(&content.title, 160)} "</h1><p class=\"headline\">");
    badge(page, content.headline.standing, standing_word(content.headline.standing));
    put!(page; " " {Truncated(&content.headline.sentence, 600)} "</p>");
    let (Some(champion), Some(candidate)) = (&content.champion, &content.candidate) else { return };
    put!(page; "<p class=\"soft\">Champion <b>" {Truncated(champion, 80)} "</b>, candidate <b>" {Truncated(candidate, 80)}
        "</b></p>");
}

/// A word with a shape before it: neither needs a colour to be told apart.
fn badge(page: &mut Page, standing: Standing, word: &str) {
    let (class, shape) = match standing {
        Standing::Good => ("good", "\u{25cf}"),
        Standing::Bad => ("bad", "\u{25b2}"),
        Standing::Caution => ("caution", "\u{25c6}"),
        Standing::Neutral => ("neutral", "\u{25cb}"),
    };
    put!(page; "<span class=\"badge " {class} "\"><span aria-hidden=\"true\">" {shape} "</span> "
        {word} "</span>");
}

fn standing_word(standing: Standing) -> &'static str {
    match standing {
        Standing::Good => "going well",
        Standing::Bad => "trouble",
        Standing::Caution => "needs a look",
        Standing::Neutral => "not known yet",
    }
}
