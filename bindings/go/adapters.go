package wxtoken

import "context"

// An AccessTokenHandle passes a Store's token to silenceper/wechat. It implements credential.AccessTokenHandle and
// credential.AccessTokenContextHandle. Use it with SetAccessTokenHandle of an official account or a mini program, and in
// the field AccessTokenHandle of a WeCom context. That SDK does not notice when WeChat refuses a token, so give its
// util.DefaultHTTPClient a Transport.
type AccessTokenHandle struct {
	Store *Store
	// Name is the name given to Store.Token. An empty name means the current account.
	Name string
}

// GetAccessToken calls Store.Token without a context.
func (h AccessTokenHandle) GetAccessToken() (string, error) {
	return value(context.Background(), h.Store, h.Name)
}

// GetAccessTokenContext calls Store.Token.
func (h AccessTokenHandle) GetAccessTokenContext(ctx context.Context) (string, error) {
	return value(ctx, h.Store, h.Name)
}

// A TicketHandle passes a Store's ticket to silenceper/wechat. It implements credential.JsTicketHandle and
// credential.JsTicketContextHandle, for SetJsTicketHandle. Its Name is that of the ticket, such as "shop/jsapi_ticket".
type TicketHandle struct {
	Store *Store
	Name  string
}

// GetTicket calls Store.Token. It ignores its argument, the access token, because the Store uses its own.
func (h TicketHandle) GetTicket(_ string) (string, error) {
	return value(context.Background(), h.Store, h.Name)
}

// GetTicketContext calls Store.Token. It ignores the access token, because the Store uses its own.
func (h TicketHandle) GetTicketContext(ctx context.Context, _ string) (string, error) {
	return value(ctx, h.Store, h.Name)
}

// A TokenProvider passes a Store's token or ticket to go-workwx. It implements workwx.ITokenProvider, for
// WithAccessTokenProvider. With a Name such as "app/jsapi_ticket" or "app/agent_ticket" it also serves
// WithJSAPITicketProvider and WithJSAPITicketAgentConfigProvider. That SDK does not notice when WeCom refuses a token, so
// give its WithHTTPClient a Transport.
type TokenProvider struct {
	Store *Store
	// Name is the name given to Store.Token. An empty name means the current account.
	Name string
}

// GetToken calls Store.Token.
func (p TokenProvider) GetToken(ctx context.Context) (string, error) {
	return value(ctx, p.Store, p.Name)
}

// A TokenServer passes a Store's token to chanxuehong/wechat. It implements core.AccessTokenServer of that SDK's package
// mp/core, for core.NewClient. The SDK itself asks for another token after errcode 40001 or 42001, but not after 40014. A
// Transport in its http.Client covers 40014 too.
type TokenServer struct {
	Store *Store
	// Name is the name given to Store.Token. An empty name means the current account.
	Name string
}

// Token calls Store.Token without a context.
func (s TokenServer) Token() (string, error) {
	return value(context.Background(), s.Store, s.Name)
}

// RefreshToken rejects currentToken and returns its successor. If currentToken is empty, it only returns the token.
func (s TokenServer) RefreshToken(currentToken string) (string, error) {
	return successor(s.Store, s.Name, currentToken)
}

// IID01332E16DF5011E5A9D5A4DB30FED8E1 marks an AccessTokenServer in that SDK.
func (TokenServer) IID01332E16DF5011E5A9D5A4DB30FED8E1() {}

// A TicketServer passes a Store's ticket to chanxuehong/wechat. It implements TicketServer of that SDK's package mp/jssdk.
// Its Name is that of the ticket, such as "shop/jsapi_ticket".
type TicketServer struct {
	Store *Store
	Name  string
}

// Ticket calls Store.Token without a context.
func (s TicketServer) Ticket() (string, error) {
	return value(context.Background(), s.Store, s.Name)
}

// RefreshTicket rejects currentTicket and returns its successor. If currentTicket is empty, it only returns the ticket.
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
