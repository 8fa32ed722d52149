//! Calls that our index never makes.

/// Methods of a service that refuse, as `tonic::async_trait` would write them.
macro_rules! unknown_calls {
    ($($name:ident($request:ty) -> $response:ty;)*) => {$(
        fn $name<'life0, 'async_trait>(
            &'life0 self,
            _: Request<$request>,
        ) -> std::pin::Pin<
            Box<dyn std::future::Future<Output = Result<Response<$response>, Status>> + Send + 'async_trait>,
        >
        where
            'life0: 'async_trait,
            Self: 'async_trait,
        {
            Box::pin(async { Err(unknown(stringify!($name))) })
        }
    )*};
}

pub(crate) use unknown_calls;
