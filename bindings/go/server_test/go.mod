module github.com/libwxtoken/libwxtoken/bindings/go/server_test

go 1.19

require github.com/libwxtoken/libwxtoken/bindings/go v0.0.0

replace github.com/libwxtoken/libwxtoken/bindings/go => ../
