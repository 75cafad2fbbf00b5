//! Business calls of both platforms: the uses that an SDK has for a token. Uploaded media can be downloaded again.

use super::official::OFFICIAL_SECRET;
use super::wecom::WORK_TOKEN;
use super::*;
use crate::{
    errcodes::Host,
    kinds::Kind,
    routes::{
        Check::{Account, Bearer as Carries, Has, Is},
        Gives::{self, Download, Service, Upload},
        Sent,
    },
};

const UPLOADED: Gives = Upload(
    r#"{"errcode":0,"errmsg":"ok","type":"file","media_id":"{id}","created_at":1380000000}"#,
);

/// WeCom writes the time as a string.
const UPLOADED_TO_WECOM: Gives = Upload(
    r#"{"errcode":0,"errmsg":"ok","type":"file","media_id":"{id}","created_at":"1380000000"}"#,
);

/// The endpoints.
pub const ROUTES: &[Route] = &[
    Route {
        path: "/cgi-bin/user/info",
        host: Host::Weixin,
        sent: Sent::Get,
        checks: &[Carries(OFFICIAL_TOKEN)],
        gives: Service(r#"{"subscribe":1,"openid":"oDemo","language":"zh_CN","unionid":"uDemo"}"#),
    },
    Route {
        path: "/cgi-bin/message/custom/send",
        host: Host::Weixin,
        sent: Sent::Json,
        checks: &[Carries(OFFICIAL_TOKEN)],
        gives: Service(r#"{"errcode":0,"errmsg":"ok"}"#),
    },
    Route {
        path: "/wxa/business/getuserphonenumber",
        host: Host::Weixin,
        sent: Sent::Json,
        checks: &[Carries(OFFICIAL_TOKEN)],
        gives: Service(r#"{"errcode":0,"errmsg":"ok","phone_info":{"phoneNumber":"13800000000"}}"#),
    },
    Route {
        path: "/cgi-bin/user/get",
        host: Host::Wecom,
        sent: Sent::Get,
        checks: &[Carries(WORK_TOKEN)],
        gives: Service(r#"{"errcode":0,"errmsg":"ok","userid":"zhangsan","name":"张三"}"#),
    },
    Route {
        path: "/cgi-bin/message/send",
        host: Host::Wecom,
        sent: Sent::Json,
        checks: &[Carries(WORK_TOKEN)],
        gives: Service(r#"{"errcode":0,"errmsg":"ok","msgid":"m1"}"#),
    },
    Route {
        path: "/cgi-bin/media/upload",
        host: Host::Weixin,
        sent: Sent::Query,
        checks: &[Carries(OFFICIAL_TOKEN)],
        gives: UPLOADED,
    },
    Route {
        path: "/cgi-bin/media/get",
        host: Host::Weixin,
        sent: Sent::Query,
        checks: &[Carries(OFFICIAL_TOKEN), Has("media_id", Number(40007))],
        gives: Download,
    },
    Route {
        path: "/cgi-bin/media/upload",
        host: Host::Wecom,
        sent: Sent::Query,
        checks: &[Carries(WORK_TOKEN)],
        gives: UPLOADED_TO_WECOM,
    },
    Route {
        path: "/cgi-bin/media/get",
        host: Host::Wecom,
        sent: Sent::Get,
        checks: &[Carries(WORK_TOKEN), Has("media_id", Number(40007))],
        gives: Download,
    },
    Route {
        path: "/channels/ec/basics/info/get",
        host: Host::Weixin,
        sent: Sent::Get,
        checks: &[Carries(OFFICIAL_TOKEN)],
        gives: Service(
            r#"{"errcode":0,"errmsg":"ok","info":{"nickname":"小店","subject_type":"企业"}}"#,
        ),
    },
    Route {
        path: "/channels/ec/basics/img/upload",
        host: Host::Weixin,
        sent: Sent::Query,
        checks: &[Carries(OFFICIAL_TOKEN)],
        gives: Upload(r#"{"errcode":0,"errmsg":"ok","pic_file":{"media_id":"{id}"}}"#),
    },
    Route {
        path: "/channels/ec/basics/media/get",
        host: Host::Weixin,
        sent: Sent::Get,
        checks: &[Carries(OFFICIAL_TOKEN), Has("media_id", Number(40007))],
        gives: Download,
    },
    Route {
        path: "/sns/jscode2session",
        host: Host::Weixin,
        sent: Sent::Get,
        checks: OFFICIAL_SECRET,
        gives: Service(r#"{"openid":"oDemo","session_key":"c2Vzc2lvbg==","unionid":"uDemo"}"#),
    },
    Route {
        path: "/sns/oauth2/access_token",
        host: Host::Weixin,
        sent: Sent::Get,
        checks: OFFICIAL_SECRET,
        gives: Service(
            r#"{"access_token":"user-token-of-oDemo","expires_in":7200,"refresh_token":"user-refresh-of-oDemo","openid":"oDemo","scope":"snsapi_userinfo"}"#,
        ),
    },
    Route {
        path: "/sns/oauth2/refresh_token",
        host: Host::Weixin,
        sent: Sent::Get,
        checks: &[
            Has("appid", Number(41002)),
            Account(Kind::Official, "appid", Number(40013)),
            Is("refresh_token", "user-refresh-of-oDemo", Number(40030)),
        ],
        gives: Service(
            r#"{"access_token":"user-token-of-oDemo","expires_in":7200,"refresh_token":"user-refresh-of-oDemo","openid":"oDemo","scope":"snsapi_userinfo"}"#,
        ),
    },
];
