<?php
// With a router, PHP's server logs connections, but no requests.
error_log("{$_SERVER['REQUEST_METHOD']} {$_SERVER['REQUEST_URI']}");
usleep(1000 * ($_GET['wait'] ?? 0));
echo $_SERVER['REQUEST_METHOD'], ' ', $_GET['id'] ?? 0, ' ', file_get_contents('php://input'), "\n";
