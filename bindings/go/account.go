package wxtoken

import (
	"fmt"
	"io"
)

// A Kind is a kind of account.
type Kind string

const (
	// Official is a service or subscription account or a mini program, by the stable endpoint.
	Official Kind = "official"
	// OfficialClassic is an official account by the classic endpoint, where each fetch ends the previous token.
	OfficialClassic Kind = "official_classic"
	// Work is an app of a WeCom corporation.
	Work Kind = "work"
	// Component is a third-party platform. Put its verify_ticket each time WeChat pushes one.
	Component Kind = "component"
	// Authorizer is an account that has authorized a Component. It has no secret: put its parent, then its refresh_token.
	Authorizer Kind = "authorizer"
	// Suite is a WeCom third-party app. Put its suite_ticket each time WeCom pushes one.
	Suite Kind = "suite"
	// WorkAuthorized is a corporation that has installed a Suite. Its secret is the permanent_code; put its parent.
	WorkAuthorized Kind = "work_authorized"
	// Provider is a WeCom service provider.
	Provider Kind = "provider"
	// QQ is a QQ mini program.
	QQ Kind = "qq"
	// QQBot is a QQ bot.
	QQBot Kind = "qqbot"
	// Douyin is a Douyin mini program, by the old endpoint.
	Douyin Kind = "douyin"
	// DouyinStable is a Douyin mini program or app at Douyin's open platform. Prefer it to Douyin.
	DouyinStable Kind = "douyin_stable"
	// DouyinGame is a Douyin mini game.
	DouyinGame Kind = "douyin_game"
	// DingTalk is an internal app of a DingTalk organization.
	DingTalk Kind = "dingtalk"
	// DingTalkSuite is a third-party app of DingTalk. Put its suite_ticket each time DingTalk pushes one.
	DingTalkSuite Kind = "dingtalk_suite"
	// Feishu is a self-built app of a Feishu tenant.
	Feishu Kind = "feishu"
	// FeishuStore is a store app of Feishu. Put its app_ticket each time Feishu pushes one.
	FeishuStore Kind = "feishu_store"
	// FeishuTenant is a tenant of a FeishuStore. It has no secret: put its parent.
	FeishuTenant Kind = "feishu_tenant"
	// Lark is a self-built app of a Lark tenant.
	Lark Kind = "lark"
	// Xiaohongshu is a Xiaohongshu mini program.
	Xiaohongshu Kind = "xiaohongshu"
	// Baidu is a Baidu smart program.
	Baidu Kind = "baidu"
	// QiDian is an account of QiDian.
	QiDian Kind = "qidian"
)

// An Account is the argument of Store.Register. Printed or logged, it does not show its Secret.
type Account struct {
	// Name is the account's name in the store, chosen by the program: 1 to 128 bytes of UTF-8, no '/', no control
	// characters.
	Name string
	// Kind is the kind of account, such as Official.
	Kind Kind
	// ID is the appid, corpid, suite_id and so on: 1 to 128 printable ASCII characters.
	ID string
	// Secret is the app secret: 1 to 512 printable ASCII characters. Empty means no secret (NULL in C), as for an
	// Authorizer.
	Secret string
}

// String returns the account's name, kind and ID, without the secret.
func (a Account) String() string {
	return fmt.Sprintf("%s (%s %s)", a.Name, string(a.Kind), a.ID)
}

// Format prints String for every verb.
func (a Account) Format(f fmt.State, _ rune) {
	io.WriteString(f, a.String())
}
