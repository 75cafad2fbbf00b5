//! The page in Chinese.

use super::Words;

pub static WORDS: Words = Words {
    tag: "zh-CN",
    own_name: "中文",
    title: "微信 access_token",
    skip: "跳到账号列表",
    signed_in_as: "当前客户端",
    sign_out: "退出登录",
    colon: "：",
    as_of: "数据时间",
    reload: "刷新",
    stale: "服务器没有应答。页面内容停留在上面的时间。",

    sign_in: "登录",
    sign_in_lead: "本页显示这台服务器上各个 access_token 的状况，既不显示 access_token，也不做任何更改。",
    key: "客户端密钥",
    key_help: "客户端需要 `status` 权限。在服务器上运行 `wxtoken client add NAME --allow status` 可以添加客户端并打印密钥。",
    wrong_key: "服务器不认识这个密钥。",
    too_many_wrong_keys: "来自这个地址的错误密钥太多，请过几秒再试。",
    may_not: "这个客户端没有 status 权限。在服务器上运行 `wxtoken client change NAME --allow …,status` 可以授予。",
    too_many_calls: "这个客户端的调用超出了限制，请稍后再试。",
    sent_from_elsewhere: "表单不是从本页提交的，请在这里重新提交。",
    forwarded: "请求经过了未受信任的代理。请用 `--trusted-proxy` 启动服务器。",
    session_over: "会话已结束，请重新登录。",
    busy: "服务器繁忙，请稍后再试。",
    store_unusable: "服务器无法使用存储，原因见服务器的日志。",

    all_valid: "所有账号都有有效的 access_token",
    all_valid_but: |troubled| {
        format!("所有账号都有有效的 access_token，其中 {troubled} 个需要处理")
    },
    without_token: |without, all| format!("{all} 个账号中有 {without} 个没有有效的 access_token"),
    no_account: "还没有账号",
    no_account_help: "在服务器上添加：`wxtoken account add NAME --kind KIND --id ID`",
    sees_no_account: "这个客户端没有可见的账号",

    to_do: "待处理",
    no_valid_token: "没有有效的 access_token",
    still_valid: "需要处理",
    failed: "最近一次获取失败",
    failed_times: |times| format!("已连续 {times} 次获取失败"),
    next_try_in: |span| format!("{span}后重试。"),
    next_get_tries: "下一次 get 会重试。",
    remedy: "处理办法",
    contested: "它的 access_token 一再远早于有效期失效",
    falsely_rejected: |span, times| {
        format!(
            "{span}前有客户端误报它的 access_token 被拒绝，而平台仍然接受。至今误报 {times} 次。"
        )
    },
    needs_parent: "尚未指定上级账号（parent）",
    parent_gone: |parent| format!("上级账号“{parent}”已不存在"),
    needs_field: |field| format!("尚未写入 {field}"),
    field_too_old: |field| format!("{field} 已过期"),
    unknown_kind: |kind| format!("这个版本不认识类型“{kind}”。请升级服务器上的 wxtoken。"),

    accounts: "账号",
    account: "账号",
    life_left: "剩余有效期",
    share_left: |percent| format!("有效期剩余 {percent}%"),
    fetched: "获取时间",
    fetched_by: "获取者",
    current: "当前账号",
    comes_from: |store| format!("来自 {store}"),
    is_due: "待刷新",
    rejected: "已被拒绝",
    expired: |span| format!("{span}前过期"),
    ended: "已失效",
    waiting: "等待写入",
    no_token: "获取失败",
    not_fetched: "尚未获取",
    see_why: "原因",

    clients: "客户端",
    sees_itself: "这个客户端并非可见所有账号，因此看不到其他客户端。",
    client: "客户端",
    may_see: "可见账号",
    all_accounts: "所有账号",
    and_more: |more| format!("等，另有 {more} 个"),
    may_do: "权限",
    last_call: "最近一次调用",
    no_call: "启动以来没有调用",
    answered: "已应答",
    unanswered: "被拒或失败",

    server: "服务器",
    version: "版本",
    running_for: "已运行",
    keeper: "keeper",
    keeper_runs: "运行中",
    keeper_does_not_run: "未运行",
    keeper_unknown: "未知：它的信箱不对当前用户开放",
    store: "存储",
    store_server: "存储服务器",
    clock_step: "它的时钟最近一次跳变",
    clock_stepped: |by_ms, span| format!("{span}前，{by_ms} 毫秒"),
    answers_in: |role, ms| format!("{role}，应答用时 {ms:.1} 毫秒"),
    role_unknown: "角色未知",
    calls: "启动以来的调用",
    calls_counted: |answered, refused, failed| {
        format!("应答 {answered} 次，拒绝 {refused} 次，失败 {failed} 次")
    },
    away: "存储服务器无法访问，以下是最后一次读到的内容",
    degraded: "access_token 只存在于这台服务器的内存中",
    reader: "这里无法获取 access_token",
    not_trusted: "存储不可信",

    ago: |span| format!("{span}前"),
    span,
};

/// A length of time in at most two units.
fn span(seconds: i64) -> String {
    let s = seconds.max(0);
    match s {
        0..60 => format!("{s} 秒"),
        60..600 => format!("{} 分 {:02} 秒", s / 60, s % 60),
        600..3600 => format!("{} 分钟", s / 60),
        3600..86_400 => format!("{} 小时 {:02} 分", s / 3600, s % 3600 / 60),
        _ => format!("{} 天 {} 小时", s / 86_400, s % 86_400 / 3600),
    }
}
