<?php

/**
 * The page that PHP-FPM serves. It opens the store in each request, as an application would, through the package or as
 * master.php does.
 *
 * ?register=ID           registers the account; its secret is in the header X-Secret
 * ?meet=NAME&of=WORKERS  gets the token after this many workers have arrived at the meeting of that name
 */

declare(strict_types=1);

/** Each worker leaves a file and waits for the others' files, so that all of them ask at once. */
function meet(string $name, int $workers): void
{
    $here = getenv('XDG_STATE_HOME') . "/meet-$name";
    touch("$here." . getmypid());
    $patience = hrtime(true) + 10_000_000_000;
    while (($come = count(glob("$here.*"))) < $workers) {
        if (hrtime(true) > $patience) {
            throw new RuntimeException("only $come of $workers workers have come");
        }
        usleep(2000);
    }
}

header('Content-Type: application/json');
$answer = ['worker' => (string) getmypid()];
try {
    if (isset($_GET['register'])) {
        (new WxToken\Store())->register('shop', 'official_classic', $_GET['register'], $_SERVER['HTTP_X_SECRET']);
    } else {
        if (isset($_GET['meet'])) {
            meet($_GET['meet'], (int) $_GET['of']);
        }
        $answer['token'] = function_exists('shop_token') ? shop_token() : (new WxToken\Store())->token('shop')->value;
    }
} catch (Throwable $reason) {
    http_response_code(500);
    $answer['error'] = $reason->getMessage();
}
echo json_encode($answer), "\n";
