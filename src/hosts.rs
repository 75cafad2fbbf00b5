//! The platforms there are to ask: where each lives, and how it words a refusal. A new platform is a new row.

/// One platform.
#[derive(Debug)]
pub struct Platform {
    /// What messages call it.
    pub name: &'static str,
    /// The option that holds its base URL.
    pub option: &'static str,
    pub base_url: &'static str,
    /// The platform's own second name, for when the first cannot be reached.
    pub fallback_url: Option<&'static str>,
    /// Where a reply holds an error's code and its text, as JSON pointers.
    pub code: &'static str,
    pub text: &'static str,
    /// A refusal may come with an HTTP status of 400 to 499; elsewhere that is no answer of the platform.
    pub refuses_by_status: bool,
}

/// Official accounts, mini programs and the open platform.
pub static API: Platform = Platform {
    name: "WeChat",
    option: "api_base_url",
    base_url: "https://api.weixin.qq.com",
    fallback_url: Some("https://api2.weixin.qq.com"),
    code: "/errcode",
    text: "/errmsg",
    refuses_by_status: false,
};

/// WeCom.
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

/// Robots of QQ.
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

/// Feishu overseas, with the same codes.
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

/// Its calls are those of official accounts.
pub static QIDIAN: Platform = Platform {
    name: "QiDian",
    option: "qidian_base_url",
    base_url: "https://api.qidian.qq.com",
    fallback_url: None,
    ..API
};

/// Every platform, in the order of the options' base URLs.
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
