#!/usr/bin/env bash
# The images' health check: exits 0 when /health/ready answers 200. In bash, because a node process every two seconds in
# every container would cost more than an idle service does.
case $SERVICE in
  orders-service) port=${ORDERS_PORT:-3001} ;;
  payments-service) port=${PAYMENTS_PORT:-3002} ;;
  notifications-service) port=${NOTIFICATIONS_PORT:-3003} ;;
  web) port=${WEB_PORT:-3004} ;;
  gateway) port=${PORT:-8080} ;;
esac
exec 3<>"/dev/tcp/127.0.0.1/$port" || exit 1
printf 'GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' >&3
read -r -t 2 _ status _ <&3
[ "$status" = 200 ]
