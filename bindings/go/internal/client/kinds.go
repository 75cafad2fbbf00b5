package client

import "strings"

// A kind is a kind of account, with the rules for registering one at a server.
type kind struct {
	name string
	// idName is the platform's word for an account's id.
	idName string
	// needs lists the fields that must be put before the first get.
	needs    []string
	noSecret bool
	forms    forms
}

// forms are the known spellings of a platform's ids and secrets. They reveal an id and a secret in each other's place.
type forms struct {
	idBegins []string
	// secretLength is the length of a secret, or 0 if its form is not known.
	secretLength int
	// secretIsHex is true if a secret has hexadecimal digits only, and false if it has letters, digits, hyphens and
	// underscores.
	secretIsHex bool
}

var (
	formsOfWeChat   = forms{idBegins: []string{"wx"}, secretLength: 32, secretIsHex: true}
	formsOfWeCom    = forms{idBegins: []string{"ww", "wx"}, secretLength: 43}
	formsOfSuite    = forms{idBegins: []string{"ww", "wx", "tj", "dk"}, secretLength: 43}
	formsOfCustomer = forms{idBegins: []string{"ww", "wx", "wp"}}
	formsOfDouyin   = forms{idBegins: []string{"tt"}, secretLength: 40, secretIsHex: true}
	formsOfDingTalk = forms{idBegins: []string{"ding"}, secretLength: 64}
	formsOfFeishu   = forms{idBegins: []string{"cli_"}, secretLength: 32}
)

// kinds lists every kind, in the order of the C library's table.
var kinds = []kind{
	{name: "official", idName: "appid", forms: formsOfWeChat},
	{name: "official_classic", idName: "appid", forms: formsOfWeChat},
	{name: "work", idName: "corpid", forms: formsOfWeCom},
	{name: "component", idName: "component_appid", needs: []string{"verify_ticket"}, forms: formsOfWeChat},
	{name: "authorizer", idName: "authorizer_appid", needs: []string{"parent", "refresh_token"}, noSecret: true, forms: formsOfWeChat},
	{name: "suite", idName: "suite_id", needs: []string{"suite_ticket"}, forms: formsOfSuite},
	{name: "work_authorized", idName: "auth_corpid", needs: []string{"parent"}, forms: formsOfCustomer},
	{name: "provider", idName: "corpid", forms: formsOfWeCom},
	{name: "qq", idName: "appid"},
	{name: "qqbot", idName: "appId"},
	{name: "douyin", idName: "appid", forms: formsOfDouyin},
	{name: "douyin_stable", idName: "client_key"},
	{name: "douyin_game", idName: "appid", forms: formsOfDouyin},
	{name: "dingtalk", idName: "appKey", forms: formsOfDingTalk},
	{name: "dingtalk_suite", idName: "suiteKey", needs: []string{"suite_ticket"}},
	{name: "feishu", idName: "app_id", forms: formsOfFeishu},
	{name: "feishu_store", idName: "app_id", needs: []string{"app_ticket"}, forms: formsOfFeishu},
	{name: "feishu_tenant", idName: "tenant_key", needs: []string{"parent"}, noSecret: true},
	{name: "lark", idName: "app_id", forms: formsOfFeishu},
	{name: "xiaohongshu", idName: "appid"},
	{name: "baidu", idName: "client_id"},
	{name: "qidian", idName: "appid"},
}

func kindNamed(name string) (kind, *problem) {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		if k.name == name {
			return k, nil
		}
		names[i] = k.name
	}
	return kind{}, argumentf("unknown kind%s", repeated(name)).advise(choose(name, names, "The kinds are"))
}

// checkRegistration fails on values that no store would accept. It checks the secret and sends it nowhere.
func checkRegistration(account, kindName, id, secret string) *problem {
	if bad := checkNewAccount(account); bad != nil {
		return bad
	}
	k, bad := kindNamed(kindName)
	if bad == nil {
		bad = checkWord(k.idName, account, id, maxID)
	}
	if bad == nil {
		bad = k.checkPlaces(account, id, secret)
	}
	switch {
	case bad != nil:
		return bad
	case !k.noSecret:
		return checkWord("secret", account, secret, maxSecret)
	case secret != "":
		return argumentf("accounts of kind %s have no secret", k.name).
			advise("Register the account without one, and put %s.", strings.Join(k.needs, " and "))
	}
	return nil
}

// checkPlaces fails if id and secret are in each other's place. Its message shows neither.
func (k kind) checkPlaces(account, id, secret string) *problem {
	if hasPrefixOf(id, k.forms.idBegins) {
		return nil
	}
	anID, begins := withArticle(k.idName), strings.Join(k.forms.idBegins, " or ")
	bad := argumentf("invalid %s of account \"%s\"", k.idName, account).
		advise("Give the %s as the id. Reset a secret that others may have seen in its place.", k.idName)
	switch {
	case k.forms.isSecret(id):
		return bad.because("it has the form of a secret; %s begins with %s", anID, begins)
	case k.forms.isID(secret):
		return bad.because("the secret has the form of %s, which begins with %s; the two are in each other's place", anID, begins)
	}
	return nil
}

func hasPrefixOf(word string, begins []string) bool {
	for _, begin := range begins {
		if strings.HasPrefix(word, begin) {
			return true
		}
	}
	return false
}

func (f forms) isSecret(word string) bool {
	letters := "0123456789abcdefABCDEF"
	if !f.secretIsHex {
		letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
	}
	return f.secretLength > 0 && len(word) == f.secretLength && strings.Trim(word, letters) == ""
}

func (f forms) isID(word string) bool {
	const letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
	return 12 <= len(word) && len(word) <= 20 && strings.Trim(word, letters) == "" && hasPrefixOf(word, f.idBegins)
}
