<?php

/**
 * Prints the public signatures of each class that is both in src/ and in the extension, as JSON.
 */

declare(strict_types=1);

require __DIR__ . '/../../preload.php';

$type = static fn (?ReflectionType $type, string $self): string => str_replace('self', $self, (string) $type);
$seen = ['extension' => extension_loaded('wxtoken')];
$classes = ['Store', 'Token', 'WxTokenException'];
foreach (glob(__DIR__ . '/../../src/Exception/*.php') as $file) {
    $classes[] = 'Exception\\' . basename($file, '.php');
}
foreach ($classes as $name) {
    $class = new ReflectionClass("WxToken\\$name");
    $interfaces = $class->getInterfaceNames();
    sort($interfaces);
    $told = [
        'parent' => ($class->getParentClass() ?: null)?->name,
        'interfaces' => $interfaces,
        'final' => $class->isFinal(),
        'cloneable' => $class->isCloneable(),
        'properties' => [],
        'methods' => [],
    ];
    foreach ($class->getProperties(ReflectionProperty::IS_PUBLIC) as $property) {
        $told['properties'][$property->name] = [$property->isReadOnly(), (string) $property->getType()];
    }
    foreach ($class->getMethods(ReflectionMethod::IS_PUBLIC) as $method) {
        if ($method->name === '__destruct' || ($method->class !== $class->name && !str_starts_with($method->class, 'WxToken'))) {
            continue;
        }
        $parameters = [];
        foreach ($method->getParameters() as $parameter) {
            $parameters[$parameter->name] = [
                $type($parameter->getType(), $class->name),
                $parameter->isOptional() ? var_export($parameter->getDefaultValue(), true) : 'required',
                array_map(static fn (ReflectionAttribute $one): string => $one->getName(), $parameter->getAttributes()),
            ];
        }
        $told['methods'][$method->name] = [
            $method->isStatic(),
            $method->isFinal(),
            $type($method->getReturnType(), $method->class),
            $parameters,
        ];
    }
    ksort($told['methods']);
    $seen[$class->name] = $told;
}
echo json_encode($seen), "\n";
