//! The advice on a failure, in either language. A hint's command is the same in both. The sentences before it come
//! from the library in English. Those on errcodes have a Chinese version here, and any other stays English.

use wxtoken::tool::Hint;

use super::Language;
use crate::ui::hint::{ADD, command, in_commands};
use crate::ui::shell::quoted;

pub fn remedy(hint: &Hint, language: Language) -> String {
    match language {
        Language::English => in_commands(hint),
        Language::Chinese => in_chinese(hint),
    }
}

fn in_chinese(hint: &Hint) -> String {
    let command = command(hint).unwrap_or_default();
    match hint {
        Hint::Register { .. } => {
            format!("用 `{command}` 注册这个账号；`wxtoken account list` 列出所有账号。")
        }
        Hint::RegisterAs { .. } => format!("用 `{command}` 注册这个账号。"),
        Hint::ChooseCurrent => {
            format!("用 `{ADD}` 注册账号，或用 `wxtoken account use NAME` 指定当前账号。")
        }
        Hint::RegisterAgain { before, .. } => {
            after(before, &format!("用 `{command}` 重新注册这个账号。"))
        }
        Hint::RegisterAll { before } => after(before, &format!("用 `{ADD}` 重新注册所有账号。")),
        Hint::Put { field, before, .. } => after(before, &format!("用 `{command}` 写入 {field}。")),
        Hint::AllowAddress {
            address,
            list,
            account,
        } => {
            let address = address.as_deref().unwrap_or("这台主机的出口 IP");
            let list = chinese_of(list).unwrap_or(list);
            match account {
                Some(_) => format!("把 {address} 加入{list}，然后运行 `{command}`。"),
                None => format!("把 {address} 加入{list}。"),
            }
        }
        Hint::Retry { before, .. } => after(before, &format!("运行 `{command}`。")),
        Hint::Quota { account, before } => after(
            before,
            &format!(
                "用 `{command}` 查看剩余次数。`{command} --clear` 可以清零，不需要 access_token。清零后，运行 `wxtoken retry {}`。",
                quoted(account)
            ),
        ),
        Hint::Keep { user: Some(user) } => format!("以用户 {user} 启动 `wxtoken keep`。"),
        Hint::Keep { user: None } => "以存储所有者的身份启动 `wxtoken keep`。".into(),
        Hint::Do(sentences) => chinese_of(sentences).unwrap_or(sentences).to_owned(),
    }
}

fn after(before: &Option<String>, advice: &str) -> String {
    match before.as_deref() {
        None => advice.to_owned(),
        Some(before) => match chinese_of(before) {
            Some(chinese) => format!("{chinese}{advice}"),
            None => format!("{before} {advice}"),
        },
    }
}

fn chinese_of(english: &str) -> Option<&'static str> {
    let found = SENTENCES.iter().find(|(known, _)| *known == english);
    found.map(|(_, chinese)| *chinese)
}

/// The library's sentences on errcodes, with their Chinese versions.
static SENTENCES: &[(&str, &str)] = &[
    (
        "Look the errcode up in the platform's list of return codes.",
        "请在平台的返回码列表中查找这个 errcode。",
    ),
    ("The platform does not know this id.", "平台不认识这个 id。"),
    ("The secret is wrong.", "secret 有误。"),
    ("The id or the secret is wrong.", "id 或 secret 有误。"),
    (
        "If the id or the secret is wrong,",
        "如果 id 或 secret 有误，",
    ),
    (
        "The secret is wrong, or another account's.",
        "secret 有误，或属于另一个账号。",
    ),
    ("The id is missing.", "缺少 id。"),
    ("The secret is missing.", "缺少 secret。"),
    ("The component_appid is missing.", "缺少 component_appid。"),
    (
        "The platform did not take the request. Check the option of its base URL.",
        "平台没有接受这个请求。请检查它的 base URL 选项。",
    ),
    (
        "There are too many calls at once. The request is made again.",
        "同时进行的调用太多，请求会自动重试。",
    ),
    (
        "The platform is busy. The request is made again.",
        "平台繁忙，请求会自动重试。",
    ),
    (
        "the account's IP allow list (公众平台 → 设置与开发 → 基本配置 → IP白名单)",
        "账号的 IP 白名单（公众平台 → 设置与开发 → 基本配置 → IP白名单）",
    ),
    (
        "the shop's IP allow list (微信小店 → 服务市场 → 自研 → IP白名单)",
        "小店的 IP 白名单（微信小店 → 服务市场 → 自研 → IP白名单）",
    ),
    (
        "the app's trusted IPs (企业微信管理后台 → 应用管理 → 企业可信IP)",
        "应用的企业可信 IP（企业微信管理后台 → 应用管理 → 企业可信IP）",
    ),
    (
        "the platform's IP allow list (开放平台 → 第三方平台 → 开发配置 → 白名单IP地址列表)",
        "第三方平台的 IP 白名单（开放平台 → 第三方平台 → 开发配置 → 白名单IP地址列表）",
    ),
    (
        "The secret is frozen. Unfreeze it in the account's console.",
        "secret 已被冻结。请在账号的管理后台解冻。",
    ),
    (
        "This account may not use access tokens, perhaps as a punishment. See the notices in its console. When it may,",
        "这个账号不能使用 access_token，可能是受到了处罚，请查看管理后台的通知。恢复后，",
    ),
    (
        "The account is frozen. See the account's console.",
        "账号已被冻结，请查看账号的管理后台。",
    ),
    (
        "The account belongs to a third-party platform. Fetch by that platform's component token.",
        "账号由第三方平台管理，请凭该平台的 component_access_token 获取。",
    ),
    (
        "The administrator has been asked to allow this host's address. When the answer is there,",
        "已请管理员确认这台主机的 IP。得到答复后，",
    ),
    (
        "The administrator must allow this host's address first. After that,",
        "需要管理员先允许这台主机的 IP。允许之后，",
    ),
    (
        "This host's address waits for the administrator. When it is allowed,",
        "这台主机的 IP 正在等待管理员确认。允许之后，",
    ),
    (
        "The administrator refused this host's address twice. It may ask again in 24 hours. When it is allowed,",
        "管理员两次拒绝了这台主机的 IP，24 小时后才能再次申请。允许之后，",
    ),
    (
        "The administrator refused this host's address. It may ask again in an hour. When it is allowed,",
        "管理员拒绝了这台主机的 IP，1 小时后才能再次申请。允许之后，",
    ),
    (
        "The app is disabled. Enable it in the console.",
        "应用已停用，请在管理后台启用。",
    ),
    (
        "The day's quota of token fetches is used up. Find what else fetches this account's token.",
        "当天获取 access_token 的次数已用完，请找出还有什么程序在获取这个账号的 access_token。",
    ),
    (
        "There were too many fetches in this minute. Find what else fetches this account's token.",
        "这一分钟内获取过于频繁，请找出还有什么程序在获取这个账号的 access_token。",
    ),
    (
        "WeCom's limit of calls is used up. Find what calls too often from this address. When the limit is over,",
        "企业微信的调用次数已达上限，请找出这个 IP 上调用过于频繁的程序。限制解除后，",
    ),
    (
        "The account has not authorized this platform, or no longer does. When its owner has authorized it,",
        "账号没有授权给这个第三方平台，或已取消授权。账号所有者授权之后，",
    ),
    (
        "The verify_ticket has expired. When WeChat pushes the next one,",
        "verify_ticket 已过期。微信推送下一个之后，",
    ),
    (
        "The verify_ticket is not valid. When WeChat pushes the next one,",
        "verify_ticket 无效。微信推送下一个之后，",
    ),
    (
        "The platform does not know this component_appid. Register the parent again with the right one.",
        "平台不认识这个 component_appid。请用正确的 component_appid 重新注册上级账号。",
    ),
    (
        "The refresh_token is not valid. When the account's owner has authorized again,",
        "refresh_token 无效。账号所有者重新授权之后，",
    ),
    ("The suite's secret is wrong.", "suite 的 secret 有误。"),
    (
        "WeCom does not know this suite_id.",
        "企业微信不认识这个 suite_id。",
    ),
    (
        "The permanent_code is not valid. The corporation has removed the app, or authorized it again.",
        "permanent_code 无效：企业删除了应用，或重新进行了授权。",
    ),
    (
        "The suite_ticket is not valid. When WeCom pushes the next one,",
        "suite_ticket 无效。企业微信推送下一个之后，",
    ),
    (
        "WeCom does not take the suite's token. Check the suite's account.",
        "企业微信不接受 suite 的 access_token，请检查 suite 账号。",
    ),
    (
        "The platform did not take the token that this is fetched with. Another one is fetched.",
        "平台没有接受获取时所用的上级 access_token，会另取一个。",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_on_an_errcode_has_its_chinese() {
        let sentences = wxtoken::tool::errcode_sentences();
        assert!(sentences.len() > 30);
        for english in &sentences {
            assert!(chinese_of(english).is_some(), "{english}");
        }
        for (english, _) in SENTENCES {
            assert!(sentences.contains(english), "nobody says {english}");
        }
    }

    #[test]
    fn a_remedy_keeps_its_command_in_both_languages() {
        let hint = Hint::RegisterAgain {
            account: "my shop".into(),
            kind: "official".into(),
            id: "wx1".into(),
            before: Some("The secret is wrong.".into()),
        };
        let command = "`wxtoken account add 'my shop' --kind official --id wx1`";
        assert_eq!(
            remedy(&hint, Language::Chinese),
            format!("secret 有误。用 {command} 重新注册这个账号。")
        );
        assert!(remedy(&hint, Language::English).contains(command));
        let unknown = Hint::Retry {
            account: "shop".into(),
            before: Some("Mend the proxy. Then".into()),
        };
        assert_eq!(
            remedy(&unknown, Language::Chinese),
            "Mend the proxy. Then 运行 `wxtoken retry shop`。"
        );
    }
}
