//! Buttons: a page at `/buttons` with a button for each device the reader may see, which wakes it.
//!
//! It is plain HTML and works without scripts. Whoever is not signed in is sent to the login and back.

use netignite::prelude::*;

/// Who may press buttons: by default every user, and tokens that were given it.
const PRESS: Permission = Permission::of_plugin("buttons:press", Role::User, "Press buttons that wake.");

/// Its style sheet; the page's security headers allow no style inside the page.
const STYLE: &str = include_str!("../web/buttons.css");

/// The section `plugins.buttons` of the configuration.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {}

/// See the module.
pub struct Buttons {
    style: StaticFile,
}

impl Plugin for Buttons {
    const NAME: &'static str = "buttons";
    const SUMMARY: &'static str = "A page of buttons that wake, at /buttons";
    const PERMISSIONS: &'static [Permission] = &[PRESS];
    const ACTIONS: &'static [Action] = &[Action::of_plugin("buttons.press", "A button was pressed.")];
    type Config = Config;

    fn new(_: Config, _: &Arc<Host>) -> Result<Option<Self>, PluginError> {
        Ok(Some(Self { style: StaticFile::of("buttons.css", STYLE) }))
    }

    fn routes(self: &Arc<Self>) -> Vec<Route> {
        let plugin = self.clone();
        let style = move |call: Call| {
            let answer = plugin.style.answer(&call.headers);
            async move { Ok(answer) }
        };
        vec![
            Route::get("/buttons", "The page of buttons")
                .signed_in()
                .or_login()
                .navigation("Buttons")
                .page(page),
            Route::post("/buttons", "Wake a device")
                .needs(&[PRESS, Permission::DevicesWake])
                .or_login()
                .page(wake),
            Route::get("/buttons/buttons.css", "Its style").public().page(style),
        ]
    }
}

async fn page(call: Call) -> Result<Raw> {
    let mut html = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Buttons</title>\
         <link rel=\"stylesheet\" href=\"/buttons/buttons.css\"><h1>Wake</h1>",
    );
    for device in call.host.devices(&call.by).await? {
        html += &format!(
            "<form method=\"post\" action=\"/buttons\"><button name=\"device\" value=\"{}\">{}</button></form>",
            device.id,
            escaped(&device.name)
        );
    }
    Ok(Raw::html(html))
}

async fn wake(call: Call) -> Result<Raw> {
    let device = call.form()?.id("device")?;
    // As the user who pressed the button: what they may not wake is refused.
    call.host.wake(&call.by, device).await?;
    let subject = (SubjectKind::Device, device, "");
    call.host.note::<Buttons>(&call.by, "press", Some(subject));
    Raw::see_other("/buttons")
}

register_plugin!(Buttons);
