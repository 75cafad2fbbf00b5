<?php

/**
 * The pieces of a request and of a get through FFI, each measured separately. Run it under warm.py.
 */

declare(strict_types=1);

use WxToken\Answer;
use WxToken\Declarations;
use WxToken\Library;

require __DIR__ . '/../../../bindings/php/preload.php';

const ROUNDS = 100;

$library = getenv('WXTOKEN_LIBRARY') ?: 'libwxtoken.so.0';
$ffi = Library::hot();
$answer = new Answer($ffi);
$opened = $ffi->new('void *[1]');
$ffi->wxtoken_init(null, $opened, null);
[$handle, $another] = [$opened[0], $ffi->new('void *[1]')];
if ($ffi->wxtoken_get($handle, 'shop', $answer->out, $answer->error) !== 0) {
    fwrite(STDERR, "php: the store has no token: run this under warm.py\n");
    exit(1);
}
$pieces = [
    'nothing' => [5000, static fn (): int => 1],
    'declarations-whole' => [20, static fn (): FFI => FFI::cdef(Declarations::C, $library)],
    'declarations-hot' => [20, static fn (): FFI => FFI::cdef(Declarations::HOT, $library)],
    'init-free' => [50, static function () use ($ffi, $another): void {
        $ffi->wxtoken_init(null, $another, null);
        $ffi->wxtoken_free($another[0]);
    }],
    'memory' => [500, static fn (): Answer => new Answer($ffi)],
    'empty-call' => [2000, static fn () => $ffi->wxtoken_free(null)],
    'get-call' => [2000, static fn (): int => $ffi->wxtoken_get($handle, 'shop', $answer->out, $answer->error)],
    'get-read' => [2000, static fn (): array => [FFI::string($answer->value, $answer->out[1]), $answer->out[0]]],
    'date' => [500, static fn (): object => new DateTimeImmutable('@1800000000', new DateTimeZone('+00:00'))],
];
for ($round = 0; $round < ROUNDS; $round++) {
    foreach ($pieces as $name => [$calls, $piece]) {
        $start = hrtime(true);
        for ($i = 0; $i < $calls; $i++) {
            $piece();
        }
        echo json_encode(['bench' => "php-piece-$name", 'ns' => (hrtime(true) - $start) / $calls]), "\n";
    }
}
