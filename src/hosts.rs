//! The platforms: where each is reached, and how it reports a refusal. CONTRIBUTING.md has the steps for a new
//! platform.

/// A platform: a family of hosts that mint tokens.
#[derive(Debug)]
pub struct Platform {
    /// The platform's name in messages.
    pub name: &'static str,
    /// The option that holds its base URL.
    pub option: &'static str,
    pub base_url: &'static str,
    /// The platform's own second host, for when the first cannot be reached.
    pub fallback_url: Option<&'static str>,
    /// The place of the error code in a reply, as a JSON pointer. The code is a number or a word. A reply without a code
    /// is a success, as one with 0 is.
    pub code: &'static str,
    /// The place of the error text, as a JSON pointer.
    pub text: &'static str,
    /// Whether a refusal may come with an HTTP status of 400 to 499. On other platforms such a reply is not the
    /// platform's.
    pub refuses_by_status: bool,
}

/// The official platform: official accounts, mini programs and the open platform.
pub static API: Platform = Platform {
    name: "WeChat",
    option: "api_base_url",
    base_url: "https://api.weixin.qq.com",
    fallback_url: Some("https://api2.weixin.qq.com"),
    code: "/errcode",
    text: "/errmsg",
    refuses_by_status: false,
};

/// The platform of WeCom.
pub static WORK: Platform = Platform {
    name: "WeCom",
    option: "work_base_url",
    base_url: "https://qyapi.weixin.qq.com",
    fallback_url: None,
    ..API
};

pub static QQ: Platform = Platform {
    name: "QQ",
    option: "qq_base_url",
    base_url: "https://api.q.qq.com",
    fallback_url: None,
    ..API
};

pub static DOUYIN: Platform = Platform {
    name: "Douyin",
    option: "douyin_base_url",
    base_url: "https://developer.toutiao.com",
    fallback_url: None,
    code: "/err_no",
    text: "/err_tips",
    refuses_by_status: false,
};

pub static DINGTALK: Platform = Platform {
    name: "DingTalk",
    option: "dingtalk_base_url",
    base_url: "https://api.dingtalk.com",
    fallback_url: None,
    code: "/code",
    text: "/message",
    refuses_by_status: true,
};

pub static FEISHU: Platform = Platform {
    name: "Feishu",
    option: "feishu_base_url",
    base_url: "https://open.feishu.cn",
    fallback_url: None,
    code: "/code",
    text: "/msg",
    refuses_by_status: true,
};

/// The platform of QQ robots.
pub static QQBOT: Platform = Platform {
    name: "QQ bots",
    option: "qqbot_base_url",
    base_url: "https://bots.qq.com",
    fallback_url: None,
    code: "/code",
    text: "/message",
    refuses_by_status: true,
};

/// Douyin's open platform.
pub static DOUYIN_OPEN: Platform = Platform {
    name: "Douyin",
    option: "douyin_open_base_url",
    base_url: "https://open.douyin.com",
    fallback_url: None,
    code: "/data/error_code",
    text: "/data/description",
    refuses_by_status: false,
};

pub static DOUYIN_GAME: Platform = Platform {
    name: "Douyin",
    option: "douyin_game_base_url",
    base_url: "https://minigame.zijieapi.com",
    fallback_url: None,
    code: "/err_no",
    text: "/err_msg",
    refuses_by_status: false,
};

/// Feishu overseas. Its error codes are those of Feishu.
pub static LARK: Platform = Platform {
    name: "Lark",
    option: "lark_base_url",
    base_url: "https://open.larksuite.com",
    ..FEISHU
};

pub static XIAOHONGSHU: Platform = Platform {
    name: "Xiaohongshu",
    option: "xiaohongshu_base_url",
    base_url: "https://miniapp.xiaohongshu.com",
    fallback_url: None,
    code: "/code",
    text: "/msg",
    refuses_by_status: false,
};

pub static BAIDU: Platform = Platform {
    name: "Baidu",
    option: "baidu_base_url",
    base_url: "https://openapi.baidu.com",
    fallback_url: None,
    code: "/error",
    text: "/error_description",
    refuses_by_status: true,
};

/// Tencent Qidian. Its calls are those of official accounts.
pub static QIDIAN: Platform = Platform {
    name: "QiDian",
    option: "qidian_base_url",
    base_url: "https://api.qidian.qq.com",
    fallback_url: None,
    ..API
};

/// Every platform, in the order of the base URL options.
pub static PLATFORMS: [&Platform; 13] = [
    &API,
    &WORK,
    &QQ,
    &DOUYIN,
    &DINGTALK,
    &FEISHU,
    &QQBOT,
    &DOUYIN_OPEN,
    &DOUYIN_GAME,
    &LARK,
    &XIAOHONGSHU,
    &BAIDU,
    &QIDIAN,
];

impl PartialEq for Platform {
    fn eq(&self, other: &Platform) -> bool {
        self.option == other.option
    }
}
