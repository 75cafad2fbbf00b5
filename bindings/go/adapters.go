package wxtoken

import "context"

// An AccessTokenHandle gives a Store's token to silenceper/wechat: it is a credential.AccessTokenHandle and a
// credential.AccessTokenContextHandle, for SetAccessTokenHandle of an official account or a mini program, and for the field
// AccessTokenHandle of a WeCom context. That SDK does not notice when WeChat refuses a token: give its util.DefaultHTTPClient
// a Transport.
type AccessTokenHandle struct {
	Store *Store
	// Name is as for Store.Token; the empty name is the current account.
	Name string
}

// GetAccessToken is Store.Token without a context.
func (h AccessTokenHandle) GetAccessToken() (string, error) {
	return value(context.Background(), h.Store, h.Name)
}

// GetAccessTokenContext is Store.Token.
func (h AccessTokenHandle) GetAccessTokenContext(ctx context.Context) (string, error) {
	return value(ctx, h.Store, h.Name)
}

// A TicketHandle gives a Store's ticket to silenceper/wechat: it is a credential.JsTicketHandle and a
// credential.JsTicketContextHandle, for SetJsTicketHandle. Its Name is the ticket's, such as "shop/jsapi_ticket".
type TicketHandle struct {
	Store *Store
	Name  string
}

// GetTicket is Store.Token. It has no use for the access token: the Store has its own.
func (h TicketHandle) GetTicket(_ string) (string, error) {
	return value(context.Background(), h.Store, h.Name)
}

// GetTicketContext is Store.Token, likewise.
func (h TicketHandle) GetTicketContext(ctx context.Context, _ string) (string, error) {
	return value(ctx, h.Store, h.Name)
}

// A TokenProvider gives a Store's token or ticket to go-workwx: it is a workwx.ITokenProvider, for WithAccessTokenProvider
// and, with a Name such as "app/jsapi_ticket" or "app/agent_ticket", for WithJSAPITicketProvider and
// WithJSAPITicketAgentConfigProvider. That SDK does not notice when WeCom refuses a token: give its WithHTTPClient a
// Transport.
type TokenProvider struct {
	Store *Store
	// Name is as for Store.Token; the empty name is the current account.
	Name string
}

// GetToken is Store.Token.
func (p TokenProvider) GetToken(ctx context.Context) (string, error) {
	return value(ctx, p.Store, p.Name)
}

// A TokenServer gives a Store's token to chanxuehong/wechat: it is a core.AccessTokenServer of its package mp/core, for
// core.NewClient. That SDK asks for another token by itself when it is refused with 40001 or 42001; with 40014 it does not,
// and a Transport in its http.Client covers that too.
type TokenServer struct {
	Store *Store
	// Name is as for Store.Token; the empty name is the current account.
	Name string
}

// Token is Store.Token without a context.
func (s TokenServer) Token() (string, error) {
	return value(context.Background(), s.Store, s.Name)
}

// RefreshToken is Store.Reject of the token that was refused, and Store.Token for another. An empty one asks for the token.
func (s TokenServer) RefreshToken(currentToken string) (string, error) {
	return successor(s.Store, s.Name, currentToken)
}

// IID01332E16DF5011E5A9D5A4DB30FED8E1 marks an AccessTokenServer in that SDK.
func (TokenServer) IID01332E16DF5011E5A9D5A4DB30FED8E1() {}

// A TicketServer gives a Store's ticket to chanxuehong/wechat: it is a TicketServer of its package mp/jssdk. Its Name is the
// ticket's, such as "shop/jsapi_ticket".
type TicketServer struct {
	Store *Store
	Name  string
}

// Ticket is Store.Token without a context.
func (s TicketServer) Ticket() (string, error) {
	return value(context.Background(), s.Store, s.Name)
}

// RefreshTicket is Store.Reject of the ticket that was refused, and Store.Token for another. An empty one asks for the
// ticket.
func (s TicketServer) RefreshTicket(currentTicket string) (string, error) {
	return successor(s.Store, s.Name, currentTicket)
}

// IIDB04E44A0E1DC11E5ADCEA4DB30FED8E1 marks a TicketServer in that SDK.
func (TicketServer) IIDB04E44A0E1DC11E5ADCEA4DB30FED8E1() {}

func value(ctx context.Context, store *Store, name string) (string, error) {
	token, err := store.Token(ctx, name)
	return token.Value, err
}

func successor(store *Store, name, refused string) (string, error) {
	if refused != "" {
		if err := store.Reject(name, refused); err != nil {
			return "", err
		}
	}
	return value(context.Background(), store, name)
}
