<?php

declare(strict_types=1);

namespace WxToken\Tests;

$table = Simulator::variable('WXTOKEN_CASES');
check(is_readable($table), "cannot read \$WXTOKEN_CASES ($table): it is tests/cases.json of the project");

foreach (json_decode(file_get_contents($table), true, flags: JSON_THROW_ON_ERROR)['cases'] as $case) {
    if (SharedCase::isOverAServer() && isset($case['not_over_a_server'])) {
        continue;
    }
    story($case['name'], static function (string $directory) use ($simulator, $case): void {
        same([], array_values(array_diff(array_keys($case), ['name', 'steps', 'not_over_a_server'])), 'keys this runner does not know');
        (new SharedCase($simulator, $directory))->run($case['steps']);
    });
}
