//! Pages of this slice: rendered on the server, complete without JavaScript, in English and Chinese.
//! They share the stylesheet of `authn`.

use askama::Template;
use authz::TenantRef;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode};
use web::{HtmlPage, Language, RequestInfo, cookies};

use crate::protocol::OAuthError;

/// The words of a language.
pub(crate) struct Words {
    pub(crate) consent: &'static str,
    pub(crate) asks: &'static str,
    pub(crate) asks_end: &'static str,
    pub(crate) leads_to: &'static str,
    pub(crate) withdraw: &'static str,
    pub(crate) apps: &'static str,
    pub(crate) no_apps: &'static str,
    pub(crate) take_back: &'static str,
    pub(crate) allow: &'static str,
    pub(crate) deny: &'static str,
    pub(crate) sign_out: &'static str,
    pub(crate) sign_out_question: &'static str,
    pub(crate) signed_in_as: &'static str,
    pub(crate) stay: &'static str,
    pub(crate) signed_out: &'static str,
    pub(crate) signed_out_text: &'static str,
    pub(crate) account: &'static str,
    pub(crate) error: &'static str,
    pub(crate) error_text: &'static str,
    pub(crate) stale_form: &'static str,
    pub(crate) colon: &'static str,
}

static ENGLISH: Words = Words {
    consent: "Allow access?",
    asks: "asks for access in the name of",
    asks_end: ":",
    leads_to: "You go on to",
    withdraw: "You can take this back at any time under",
    apps: "Applications with access",
    no_apps: "You have given no application access.",
    take_back: "Take back",
    allow: "Allow",
    deny: "Do not allow",
    sign_out: "Sign out",
    sign_out_question: "Do you want to sign out here and in the applications that you are signed in to through here?",
    signed_in_as: "Signed in as",
    stay: "Stay signed in",
    signed_out: "Signed out",
    signed_out_text: "You are signed out. You can close this window.",
    account: "Your account",
    error: "This did not work",
    error_text: "The application that brought you here asked for something that cannot be done. Go back to it and try again; if it happens again, tell those who run it.",
    stale_form: "This page was open too long or came from elsewhere. Go back to the application and try again.",
    colon: ": ",
};

static CHINESE: Words = Words {
    consent: "是否允许访问？",
    asks: "请求以此身份访问：",
    asks_end: "，权限如下：",
    leads_to: "随后将前往",
    withdraw: "您可以随时在此撤回：",
    apps: "已授权的应用",
    no_apps: "您尚未授权任何应用。",
    take_back: "撤回",
    allow: "允许",
    deny: "不允许",
    sign_out: "退出登录",
    sign_out_question: "要在此处以及通过此处登录的应用中退出登录吗？",
    signed_in_as: "当前登录：",
    stay: "保持登录",
    signed_out: "已退出登录",
    signed_out_text: "您已退出登录，可以关闭此窗口。",
    account: "您的账户",
    error: "操作未成功",
    error_text: "带您来到这里的应用提出了无法完成的请求。请返回该应用重试；如果问题再次出现，请告知其运营者。",
    stale_form: "此页面打开时间过长或来自其他地方。请返回应用重试。",
    colon: "：",
};

/// What a scope lets the client do, in words; a scope of the tenant's own stands by its name.
pub(crate) fn scope_in_words(language: Language, scope: &str) -> String {
    let (english, chinese) = match scope {
        "openid" => ("Know who you are: your account's id", "知道您是谁：您的账户标识"),
        "profile" => ("See your name, user name, picture and language", "查看您的姓名、用户名、头像和语言"),
        "email" => ("See your e-mail address", "查看您的电子邮箱"),
        "phone" => ("See your phone number", "查看您的电话号码"),
        "offline_access" => ("Keep this access while you are not there", "在您离开后继续保持访问"),
        "signet" => ("Use this system's interface with all your rights", "以您的全部权限使用本系统的接口"),
        other if authz::api::scope_code(other).is_some() => {
            let name = authz::api::scope_code(other).map_or(other, |code| code.name);
            return match language {
                Language::En => {
                    format!("Use this system's interface with your rights, for this only: {name}")
                }
                Language::Zh => format!("仅为“{name}”以您的权限使用本系统的接口"),
            };
        }
        other => {
            return match language {
                Language::En => format!("Use `{other}`"),
                Language::Zh => format!("使用“{other}”"),
            };
        }
    };
    match language {
        Language::En => english.to_owned(),
        Language::Zh => chinese.to_owned(),
    }
}

/// How long the access lasts, in words.
pub(crate) fn lifetime_in_words(language: Language, offline: bool, minutes: i64, days: i64) -> String {
    match (language, offline) {
        (Language::En, true) => {
            format!("The access lasts until you take it back, at most {days} days without use.")
        }
        (Language::En, false) => format!("The access ends when you sign out, and after {minutes} minutes."),
        (Language::Zh, true) => format!("访问将持续到您撤回为止；若 {days} 天未使用则自动失效。"),
        (Language::Zh, false) => format!("访问将在您退出登录时结束，最长 {minutes} 分钟。"),
    }
}

/// What every page has.
pub(crate) struct Frame {
    pub(crate) name: &'static str,
    pub(crate) lang: &'static str,
    pub(crate) tenant: String,
    pub(crate) base: String,
    pub(crate) stylesheet: String,
    pub(crate) w: &'static Words,
}

impl Frame {
    pub(crate) fn new(name: &'static str, tenant: &TenantRef, language: Language) -> Self {
        Self {
            name,
            lang: language.tag(),
            tenant: tenant.name.clone(),
            base: format!("/t/{}", tenant.code),
            stylesheet: authn::pages::stylesheet_href(tenant),
            w: words(language),
        }
    }
}

pub(crate) fn words(language: Language) -> &'static Words {
    match language {
        Language::En => &ENGLISH,
        Language::Zh => &CHINESE,
    }
}

/// The language of a page.
pub(crate) fn language(ui_locales: Option<&str>, headers: &HeaderMap, info: &RequestInfo) -> Language {
    Language::choose(ui_locales, cookies::read(headers, "lang"), info.language)
}

/// A page that says one thing.
#[derive(Template)]
#[template(path = "message.html")]
pub(crate) struct Message {
    pub(crate) page: Frame,
    pub(crate) title: &'static str,
    pub(crate) text: &'static str,
    pub(crate) problem: bool,
    pub(crate) code: &'static str,
    pub(crate) detail: String,
}

/// Renders a page.
pub(crate) fn show(
    status: StatusCode,
    page: &impl Template,
    form_action: Vec<String>,
    cookies: Vec<HeaderValue>,
) -> Response {
    match page.render() {
        Ok(body) => HtmlPage { status, body, form_action, cookies }.into_response(),
        Err(error) => web::Failure(base::bug!("a page cannot be rendered: {error}")).into_response(),
    }
}

/// The page of an error that may not be told by redirect. INVARIANT: what it shows of the request is
/// what [`OAuthError`] lets through, escaped.
pub(crate) fn error_page(
    tenant: &TenantRef,
    language: Language,
    status: StatusCode,
    error: &OAuthError,
) -> Response {
    let page = Frame::new("error", tenant, language);
    let message = Message {
        title: page.w.error,
        text: page.w.error_text,
        problem: true,
        code: error.code.as_str(),
        detail: error.description.clone(),
        page,
    };
    show(status, &message, Vec::new(), Vec::new())
}

/// The page for a form that did not come from where it must.
pub(crate) fn stale_page(tenant: &TenantRef, language: Language) -> Response {
    let page = Frame::new("error", tenant, language);
    let message = Message {
        title: page.w.error,
        text: page.w.stale_form,
        problem: true,
        code: "",
        detail: String::new(),
        page,
    };
    show(StatusCode::FORBIDDEN, &message, Vec::new(), Vec::new())
}
