module github.com/libwxtoken/libwxtoken/bindings/go

go 1.19
