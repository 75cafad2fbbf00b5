<?php

declare(strict_types=1);

namespace WxToken\Tests;

story('the outlines that the other tests have are those of EasyWeChat', static function () use ($autoload): void {
    $describe = <<<'PHP'
        require $argv[1];
        foreach (['AccessToken', 'RefreshableAccessToken', 'JsApiTicket', 'RefreshableJsApiTicket'] as $contract) {
            $class = new ReflectionClass("EasyWeChat\\Kernel\\Contracts\\$contract");
            foreach ($class->getMethods() as $method) {
                $types = array_map(fn ($each) => "{$each->getType()} $each->name", $method->getParameters());
                echo "$contract::$method->name: ", implode(', ', $types), " {$method->getReturnType()}\n";
            }
        }
        foreach (['getTicket', 'getAgentTicket'] as $name) {
            $method = new ReflectionMethod('EasyWeChat\Work\JsApiTicket', $name);
            echo $name, count($method->getParameters()), $method->getReturnType(), "\n";
        }
        echo (new ReflectionProperty('EasyWeChat\Work\JsApiTicket', 'corpId'))->getType(), "\n";
        PHP;
    $lines = static function (string $file) use ($describe): array {
        [$code, $said] = Process::run([PHP_BINARY, '-r', $describe, $file]);
        same(0, $code, "exit code, with \"$said\"");
        $lines = explode("\n", $said);
        sort($lines);
        return $lines;
    };
    same($lines($autoload), $lines(dirname(__DIR__, 2) . '/programs/contracts.php'), 'signatures');
});
