<?php

/**
 * A preload file that uses the store itself, in the master. The library's knowledge by then is forked into every
 * worker. Its pages call the C library as ffi.preload has loaded it, without the package.
 */

declare(strict_types=1);

require __DIR__ . '/php/preload.php';

$store = new WxToken\Store();
$store->register('shop', 'official_classic', getenv('SHOP_ID'), getenv('SHOP_SECRET'));
$store->token('shop');
file_put_contents(getenv('XDG_STATE_HOME') . '/preloaded-by', (string) getmypid());

function shop_token(): string
{
    $c = FFI::scope('wxtoken');
    [$handle, $token, $error] = [$c->new('wxtoken *'), $c->new('wxtoken_token'), $c->new('wxtoken_error')];
    if ($c->wxtoken_init(null, FFI::addr($handle), FFI::addr($error)) !== $c->WXTOKEN_OK) {
        throw new RuntimeException(FFI::string($error->message));
    }
    $status = $c->wxtoken_get($handle, 'shop', FFI::addr($token), FFI::addr($error));
    $c->wxtoken_free($handle);
    if ($status !== $c->WXTOKEN_OK) {
        throw new RuntimeException(FFI::string($error->message));
    }
    return FFI::string($token->value);
}
