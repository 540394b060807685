//! The name, colour and icon at the top of a page: those of an app on the pages of its sign-in, otherwise the server's.

use crate::http::site::Site;
use crate::model::authorization::OAuthClient;

/// The colour of pages that belong to no app.
const DEFAULT_COLOR: &str = "#0f5e7d";

/// The name, colour and icon of a page.
#[derive(Clone, Debug)]
pub(in crate::http) struct Brand {
    pub(super) name: String,
    pub(super) color: String,
    /// The URL of the icon.
    pub(super) icon: Option<String>,
}

impl Brand {
    /// Of a page that belongs to no app.
    pub(in crate::http) fn server() -> Self {
        Self { name: "Tidelog".into(), color: DEFAULT_COLOR.into(), icon: None }
    }

    /// Of a page on which people sign in to an app.
    pub(in crate::http) fn of_client(site: &Site, client: &OAuthClient) -> Self {
        Self {
            name: client.name.clone(),
            color: client.color.clone().unwrap_or_else(|| DEFAULT_COLOR.into()),
            icon: client.has_icon.then(|| site.path(&format!("/oauth/icons/{}", client.app))),
        }
    }

    /// Black or white, whichever has more contrast with the colour (WCAG 2.2, contrast ratio).
    pub(super) fn text_color(&self) -> &'static str {
        let channel = |start: usize| {
            let hex = self.color.get(start..start + 2).unwrap_or("00");
            let value = f64::from(u8::from_str_radix(hex, 16).unwrap_or_default()) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let luminance = 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
        let (on_white, on_black) = (1.05 / (luminance + 0.05), (luminance + 0.05) / 0.05);
        if on_white >= on_black { "#ffffff" } else { "#000000" }
    }

    /// The first letter of the name, for a brand without an icon.
    pub(super) fn initial(&self) -> String {
        self.name.chars().next().map(|first| first.to_uppercase().collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_readable_on_any_brand_color() {
        for (color, text) in [
            ("#ffffff", "#000000"),
            ("#000000", "#ffffff"),
            (DEFAULT_COLOR, "#ffffff"),
            ("#ffdd00", "#000000"),
        ] {
            let brand = Brand { name: String::new(), color: color.into(), icon: None };
            assert_eq!(brand.text_color(), text, "{color}");
        }
    }
}
